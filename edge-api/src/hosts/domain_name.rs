use std::fmt;
use std::str::FromStr;

/// A host name as DNS knows it, in one spelling: lower case, without the dot of the root, other alphabets as punycode (RFC 5890).
///
/// An address is none, nor is a name that only a local network has, with an underscore for instance: no tenant is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DomainName(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no domain name")]
pub struct NotADomainName;

impl DomainName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 1123, section 2.1: labels of letters, digits and inner hyphens. The last one is not a number, so that 10.0.0.1 stays an address.
impl FromStr for DomainName {
    type Err = NotADomainName;

    fn from_str(text: &str) -> Result<Self, NotADomainName> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let last = name.rsplit('.').next().unwrap_or(name);
        let is_name = name.len() <= 253 && name.split('.').all(is_label) && !is_number(last);
        is_name
            .then(|| Self(name.to_ascii_lowercase()))
            .ok_or(NotADomainName)
    }
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_spelling() {
        for (text, name) in [
            ("alpha.example.com", "alpha.example.com"),
            ("Alpha.EXAMPLE.com.", "alpha.example.com"),
            ("localhost", "localhost"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("7.example", "7.example"),
            ("a--b.example", "a--b.example"),
        ] {
            assert_eq!(text.parse::<DomainName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_is_no_name() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "abcdefgh.".repeat(28));
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a.b..",
            "127.0.0.1",
            "[::1]",
            "example.7",
            "my_host.example",
            "-a.example",
            "a-.example",
            "a b.example",
            "a.example:80",
            "*.example.com",
            "bücher.example",
            "a.example\0",
            &long_label,
            &long_name,
        ] {
            assert_eq!(text.parse::<DomainName>(), Err(NotADomainName), "{text:?}");
        }
    }
}
