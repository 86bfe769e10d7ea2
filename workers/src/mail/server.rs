//! Where mails go out: what `AIAS_SMTP_URL` says.

use std::str::FromStr;

use lettre::transport::smtp::authentication::Credentials;
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// A mail server. It holds a password; the type that does so shows none.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub credentials: Option<Credentials>,
}

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    None,
    /// From a plain greeting on; a server that cannot gets nothing.
    StartTls,
    /// From the first byte.
    Wrapped,
}

impl FromStr for SmtpServer {
    /// What is wrong, without a word of the URL: it may hold a password.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "is no URL")?;
        let mut tls = None;
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("tls", "required") => tls = Some(Tls::StartTls),
                ("tls", "none") => tls = Some(Tls::None),
                _ => return Err("has a parameter other than tls=required and tls=none"),
            }
        }
        let (encryption, port) = match (url.scheme(), tls) {
            ("smtps", None) => (Tls::Wrapped, 465),
            ("smtps", Some(_)) => return Err("is encrypted by its scheme; leave tls out"),
            ("smtp", Some(Tls::StartTls)) => (Tls::StartTls, 587),
            ("smtp", _) => (Tls::None, 25),
            _ => return Err("does not begin with smtp:// or smtps://"),
        };
        let host = url
            .host_str()
            .map(|host| host.trim_start_matches('[').trim_end_matches(']'))
            .filter(|host| !host.is_empty())
            .ok_or("names no host")?;
        let decoded = |text| {
            percent_decode_str(text)
                .decode_utf8()
                .map(String::from)
                .map_err(|_| "has credentials that are not percent-encoded UTF-8")
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                Some(Credentials::new(decoded(user)?, decoded(password)?))
            }
            _ => return Err("has a user without a password, or a password without a user"),
        };
        if credentials.is_some()
            && encryption == Tls::None
            && tls.is_none()
            && !is_this_machine(host)
        {
            return Err(
                "would send its password unencrypted; begin it with smtps://, add ?tls=required, or, if that is meant, ?tls=none",
            );
        }
        Ok(Self {
            host: host.to_owned(),
            port: url.port().unwrap_or(port),
            tls: encryption,
            credentials,
        })
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<SmtpServer, &'static str> {
        url.parse()
    }

    #[test]
    fn a_url_says_how_the_server_is_reached() {
        for (url, host, port, tls) in [
            ("smtp://mail.example", "mail.example", 25, Tls::None),
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, Tls::None),
            ("smtp://[::1]:2525", "::1", 2525, Tls::None),
            (
                "smtp://mail.example?tls=required",
                "mail.example",
                587,
                Tls::StartTls,
            ),
            (
                "smtp://mail.example:26/?tls=required",
                "mail.example",
                26,
                Tls::StartTls,
            ),
            ("smtps://mail.example", "mail.example", 465, Tls::Wrapped),
        ] {
            let server = server(url).unwrap();
            assert_eq!(
                (server.host.as_str(), server.port, server.tls),
                (host, port, tls),
                "{url}"
            );
            assert_eq!(server.credentials, None);
        }
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let wanted = Credentials::new("bo@b.example".to_owned(), "hush/%".to_owned());
        for url in [
            "smtps://bo%40b.example:hush%2F%25@mail.example",
            "smtp://bo%40b.example:hush%2F%25@mail.example?tls=required",
            "smtp://bo%40b.example:hush%2F%25@mail.example?tls=none",
            "smtp://bo%40b.example:hush%2F%25@localhost",
        ] {
            let server = server(url).unwrap();
            assert_eq!(server.credentials.as_ref(), Some(&wanted), "{url}");
            assert!(!format!("{server:?}").contains("hush"));
        }
    }
}
