//! `AIAS_SMTP_URL`, `AIAS_MAIL_FROM` and `AIAS_APP_URL`.

use lettre::message::Mailbox;
use reqwest::Url;

use super::SmtpServer;
use crate::config::{ConfigError, problem};

/// What is needed to send mails. It holds a password; the type that does so shows none.
#[derive(Debug, Clone)]
pub struct MailSettings {
    pub server: SmtpServer,
    pub from: Mailbox,
    /// Where links lead: the application that the tenants' people use.
    pub app: Url,
}

const SMTP: &str = "AIAS_SMTP_URL";
const FROM: &str = "AIAS_MAIL_FROM";
const APP: &str = "AIAS_APP_URL";

impl MailSettings {
    /// `None` when there is no mail server.
    ///
    /// # Errors
    /// The first variable that is missing or malformed. A value that may hold a password is not repeated.
    pub fn read(
        read: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(server) = read(SMTP) else {
            return Ok(None);
        };
        let needed = |variable, what| {
            read(variable).ok_or_else(|| {
                problem(
                    variable,
                    format!("is not set; with {SMTP} it has to say {what}"),
                )
            })
        };
        let from = needed(
            FROM,
            "who the mails are from, such as Alpha <no-reply@example.com>",
        )?;
        let app = needed(
            APP,
            "where their links lead, such as https://app.example.com",
        )?;
        Ok(Some(Self {
            server: server.parse().map_err(|text: &str| problem(SMTP, text))?,
            from: from
                .parse()
                .map_err(|_| problem(FROM, format!("\"{from}\" is no e-mail address")))?,
            app: page(&app).ok_or_else(|| {
                problem(
                    APP,
                    format!("\"{app}\" is not an http or https URL without query and fragment"),
                )
            })?,
        }))
    }
}

fn page(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &str)]) -> Result<Option<MailSettings>, String> {
        MailSettings::read(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
        .map_err(|error| error.to_string())
    }

    fn server(url: &str) -> Result<SmtpServer, String> {
        let pairs = [
            (SMTP, url),
            (FROM, "a@b.example"),
            (APP, "https://c.example"),
        ];
        with(&pairs).map(|settings| settings.unwrap().server)
    }

    #[test]
    fn no_mail_server_is_no_mistake() {
        assert!(with(&[(FROM, "nobody")]).unwrap().is_none());
    }

    #[test]
    fn a_mistake_names_its_variable_and_no_password() {
        for (url, wanted) in [
            (
                "mail.example:hush",
                "does not begin with smtp:// or smtps://",
            ),
            ("http://bo:hush@mail.example", "does not begin with smtp://"),
            (
                "smtp://bo:hush@mail.example",
                "would send its password unencrypted",
            ),
            (
                "smtp://bo:hush@mail.example?tls=maybe",
                "has a parameter other than",
            ),
            (
                "smtps://bo:hush@mail.example?tls=none",
                "is encrypted by its scheme",
            ),
            (
                "smtps://:hush@mail.example",
                "has a user without a password",
            ),
            (
                "smtps://bo:%ffhush@mail.example",
                "has credentials that are not",
            ),
            ("smtp://bo:hush@", "is no URL"),
            ("smtp:///hush", "names no host"),
        ] {
            let error = server(url).unwrap_err();
            assert!(
                error.starts_with(&format!("{SMTP}: {wanted}")),
                "{url}: {error}"
            );
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_mail_server_needs_the_other_two() {
        let server = (SMTP, "smtp://mail.example");
        let from = (FROM, "Alpha <a@b.example>");
        for (pairs, wanted) in [
            (vec![server], "AIAS_MAIL_FROM: is not set"),
            (vec![server, (FROM, "nobody")], "AIAS_APP_URL: is not set"),
            (vec![server, from], "AIAS_APP_URL: is not set"),
            (
                vec![server, (FROM, "nobody"), (APP, "https://c")],
                "AIAS_MAIL_FROM: \"nobody\" is no",
            ),
            (
                vec![server, from, (APP, "ftp://c")],
                "AIAS_APP_URL: \"ftp://c\" is not",
            ),
            (vec![server, from, (APP, "https://c/?a")], "AIAS_APP_URL: "),
            (vec![server, from, (APP, "https://c/#a")], "AIAS_APP_URL: "),
        ] {
            let error = with(&pairs).unwrap_err();
            assert!(error.starts_with(wanted), "{error}");
        }
    }
}
