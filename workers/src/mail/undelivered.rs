//! Why a mail did not go.

use lettre::transport::smtp;

use super::render::one_line;

/// What a mail server says is cut here; some say a lot.
const LONGEST: usize = 300;

/// Whose fault it is, and so what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no way to the mail server, or it does not let the worker in. It concerns every mail.
    Server,
    /// The server does not take this mail now.
    Passing,
    /// The server will not take this mail.
    Permanent,
}

/// A mail that did not go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    pub fault: Fault,
    /// For the people of the tenant: the mail server's words where they are about the mail, a sentence of ours where they are about the
    /// operator's server.
    pub told: String,
    /// For the log.
    pub cause: String,
}

impl Undelivered {
    /// Before the mail was offered: no connection, no encryption, no login.
    pub(super) fn before(error: &smtp::Error) -> Self {
        Self::server(if error.status().is_some() {
            "the mail server does not let the worker in"
        } else {
            "the mail server cannot be reached"
        })
        .because(error.to_string())
    }

    /// While the mail was offered. The sender's credentials may also be asked for only now (RFC 4954, section 6): those answers are not about the mail.
    pub(super) fn during(error: &smtp::Error) -> Self {
        const CREDENTIALS: [u16; 4] = [530, 534, 535, 538];
        let status = error.status().map(u16::from);
        let cause = error.to_string();
        match status {
            Some(code) if CREDENTIALS.contains(&code) => {
                Self::server("the mail server does not let the worker in").because(cause)
            }
            Some(code) => Self {
                fault: if error.is_permanent() {
                    Fault::Permanent
                } else {
                    Fault::Passing
                },
                told: said(code, error),
                cause,
            },
            // What the library itself refuses: an address that this server has no way to spell.
            None if error.is_client() => Self {
                fault: Fault::Permanent,
                told: "the mail server cannot take this address".to_owned(),
                cause,
            },
            None => Self::interrupted(cause),
        }
    }

    /// The connection broke or the answer did not come. The mail may have gone all the same.
    pub(super) fn interrupted(cause: String) -> Self {
        Self {
            fault: Fault::Passing,
            told: "the mail server did not answer".to_owned(),
            cause,
        }
    }

    /// No way to the mail server in time.
    pub(super) fn too_slow() -> Self {
        Self::server("the mail server cannot be reached").because("no answer in time".to_owned())
    }

    fn server(told: &str) -> Self {
        Self {
            fault: Fault::Server,
            told: told.to_owned(),
            cause: String::new(),
        }
    }

    fn because(self, cause: String) -> Self {
        Self {
            cause: one_line(&cause),
            ..self
        }
    }
}

/// `550 5.1.1 no such user`: the answer as it came, on one line.
fn said(code: u16, error: &smtp::Error) -> String {
    let text = std::error::Error::source(error).map(ToString::to_string);
    let text = one_line(&format!("{code} {}", text.unwrap_or_default()));
    text.chars().take(LONGEST).collect()
}
