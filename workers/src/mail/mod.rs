//! Mails from the outbox: claimed, rendered, sent by SMTP, recorded. At least once: a worker that dies between the mail server's answer and the
//! record repeats the mail, under the same `Message-ID`.

mod message;
mod render;
mod retry;
mod sender;
mod server;
mod settings;
mod smtp;
mod token;
mod undelivered;

pub use message::address;
use message::{message, step_message};
use render::{Rendered, Templates};
pub use sender::MailSender;
pub use server::{SmtpServer, Tls};
pub use settings::MailSettings;
use smtp::Smtp;
use token::InvitationToken;
use undelivered::{Fault, Undelivered};
