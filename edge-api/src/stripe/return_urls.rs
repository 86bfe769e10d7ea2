use reqwest::Url;

use crate::error::ApiError;

/// Where people may be sent once they are done at Stripe: the origins that the operator lists. Otherwise our address on Stripe's page would
/// lead to wherever somebody likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReturnUrls(Vec<Origin>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    /// With a dot at its beginning: any name below it.
    host: String,
    port: Option<u16>,
}

impl ReturnUrls {
    /// Origins with commas between them: `https://app.example.com, https://*.apps.example.com`. None when one of them is none.
    pub fn read(list: &str) -> Option<Self> {
        let list = list.split(',').map(str::trim);
        list.map(Origin::read).collect::<Option<Vec<_>>>().map(Self)
    }

    /// # Errors
    /// 400 `return_url_not_allowed`, with the field's name.
    pub fn check(&self, field: &'static str, text: &str) -> Result<(), ApiError> {
        if self.allow(text) {
            return Ok(());
        }
        Err(ApiError::BadRequest {
            code: "return_url_not_allowed",
            message: "this is no address that people may be sent back to; the operator lists their origins in AIAS_RETURN_ORIGINS",
            details: Some(field.to_owned()),
        })
    }

    /// The text goes to Stripe as it is, for it may have `{CHECKOUT_SESSION_ID}` in it. So whatever parsers may read in two ways is no address.
    fn allow(&self, text: &str) -> bool {
        let reads_in_one_way =
            text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('\\');
        let Some(url) = reads_in_one_way.then(|| Url::parse(text).ok()).flatten() else {
            return false;
        };
        let authority = authority(text);
        let says_origin_first =
            text.starts_with(&format!("{}://", url.scheme())) && !authority.is_empty();
        let has_no_user = !authority.contains('@');
        says_origin_first && has_no_user && self.0.iter().any(|origin| origin.has(&url))
    }
}

/// What stands between the scheme and the path.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

impl Origin {
    fn read(text: &str) -> Option<Self> {
        let (is_any_below, text) = match text.split_once("://*.") {
            Some((scheme, rest)) => (true, format!("{scheme}://{rest}")),
            None => (false, text.to_owned()),
        };
        let url = Url::parse(&text).ok()?;
        let is_origin = matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        let host = url.host_str().filter(|host| !host.contains('*'))?;
        is_origin.then(|| Self {
            scheme: url.scheme().to_owned(),
            host: match is_any_below {
                true => format!(".{host}"),
                false => host.to_owned(),
            },
            port: url.port_or_known_default(),
        })
    }

    fn has(&self, url: &Url) -> bool {
        let has_host = url
            .host_str()
            .is_some_and(|host| match self.host.starts_with('.') {
                true => host.len() > self.host.len() && host.ends_with(&self.host),
                false => host == self.host,
            });
        has_host && url.scheme() == self.scheme && url.port_or_known_default() == self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_origins_are_led_to() {
        let urls = ReturnUrls::read(
            "https://app.example.com, https://*.apps.example.com,http://localhost:3000/",
        )
        .unwrap();
        for good in [
            "https://app.example.com",
            "https://app.example.com/billing?session={CHECKOUT_SESSION_ID}#done",
            "https://app.example.com:443/",
            "https://acme.apps.example.com/x",
            "http://localhost:3000/x",
        ] {
            assert!(urls.allow(good), "{good}");
        }
        for bad in [
            "",
            "/billing",
            "//app.example.com/",
            "http://app.example.com/",
            "https://app.example.com:444/",
            "https://app.example.com.evil.test/",
            "https://evilapp.example.com/",
            "https://apps.example.com/",
            "https://.apps.example.com/",
            "https://evil.test/https://app.example.com/",
            "https://evil.test\\@app.example.com/",
            "https://app.example.com\\@evil.test/",
            "https://app.example.com@evil.test/",
            "https://user:word@app.example.com/",
            "https://@app.example.com/",
            "https://app.example.com /",
            "https://app.exa\tmple.com/",
            "https:app.example.com/",
            "https:///app.example.com/",
            "javascript://app.example.com/%0Aalert(1)",
            "data:text/html,x",
        ] {
            assert!(!urls.allow(bad), "{bad}");
        }
        assert!(!ReturnUrls::default().allow("https://app.example.com"));
    }

    #[test]
    fn an_origin_is_no_more_than_one() {
        for bad in [
            "",
            "app.example.com",
            "https://a.test/x",
            "ftp://a.test",
            "https://a.test, ,",
            "https://u@a.test",
            "https://*",
        ] {
            assert_eq!(ReturnUrls::read(bad), None, "{bad}");
        }
    }
}
