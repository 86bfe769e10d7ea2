//! The addresses that a tool may call: those that begin as one of a list does.

use reqwest::Url;

/// Beginnings of addresses.
#[derive(Debug, Clone)]
pub(super) struct Prefixes(Vec<Url>);

impl Prefixes {
    /// `None` when one of them is no address, or could be read in two ways.
    pub(super) fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let read = |text: &str| Url::parse(text).ok().filter(is_plain);
        texts
            .into_iter()
            .map(read)
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// Whether an address is at one of them or below it: the same scheme, host and port, and a path that goes on after whole segments.
    pub(super) fn allow(&self, url: &Url) -> bool {
        is_plain(url) && self.0.iter().any(|prefix| is_below(prefix, url))
    }
}

fn is_below(prefix: &Url, url: &Url) -> bool {
    let Some(rest) = url.path().strip_prefix(prefix.path()) else {
        return false;
    };
    let goes_on = rest.is_empty() || prefix.path().ends_with('/') || rest.starts_with('/');
    prefix.origin() == url.origin() && goes_on
}

/// Without a user name, which would be a credential that nobody configured; and without a slash in disguise, which the other side might take
/// for one, so that `..` behind it would lead out. The parser has already resolved every other `..`, encoded or not.
fn is_plain(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    url.username().is_empty()
        && url.password().is_none()
        && !["%2f", "%5c"].iter().any(|slash| path.contains(slash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_is_allowed_and_nothing_else() {
        let prefixes = Prefixes::read(["https://api.test/v1/", "http://b.test:8080/one"]).unwrap();
        let allow = |text: &str| prefixes.allow(&Url::parse(text).unwrap());
        for text in [
            "https://api.test/v1/",
            "https://api.test/v1/items?a=../..",
            "https://API.test:443/v1/a/../b",
            "http://b.test:8080/one",
            "http://b.test:8080/one/two",
            "http://b.test:8080/one?x",
        ] {
            assert!(allow(text), "{text}");
        }
        for text in [
            "https://api.test/v1",
            "https://api.test/v2/",
            "http://api.test/v1/",
            "https://api.test:444/v1/",
            "https://api.test.evil.test/v1/",
            "https://api.test/v1/../admin",
            "https://api.test/v1/%2e%2e/admin",
            "https://api.test/v1/..%2fadmin",
            "https://api.test/v1/..%5Cadmin",
            "https://me@api.test/v1/",
            "https://api.test@evil.test/v1/",
            "http://b.test:8080/onerous",
        ] {
            assert!(!allow(text), "{text}");
        }
        assert!(Prefixes::read(["nonsense"]).is_none());
        assert!(Prefixes::read(["https://me:pw@a.test/"]).is_none());
    }
}
