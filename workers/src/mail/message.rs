//! From what a person reads to what goes over the wire.

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::Rendered;
use super::render::one_line;
use crate::queue::Mail;

/// Builds the message. Every header goes through the library's encoder, and is one line before that.
///
/// # Errors
/// When the recipient is no address, said for the people of the tenant.
pub fn message(mail: &Mail, rendered: &Rendered, from: &Mailbox) -> Result<Message, String> {
    // The same for every try, so that whoever gets it twice can tell.
    let id = format!("<{}@{}>", mail.key.id, from.email.domain());
    let raw =
        |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), one_line(value));
    Message::builder()
        .from(from.clone())
        .to(recipient(&mail.recipient)?)
        .subject(one_line(&rendered.subject))
        .message_id(Some(id))
        .raw_header(raw("Idempotency-Key", &mail.idempotency_key))
        // Nobody's out-of-office note is wanted: RFC 3834, section 5.
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .multipart(MultiPart::alternative_plain_html(
            rendered.text.clone(),
            rendered.html.clone(),
        ))
        .map_err(|error| format!("the mail cannot be written: {error}"))
}

fn recipient(address: &str) -> Result<Mailbox, String> {
    let is_one = !address.contains(|c: char| c.is_control() || c.is_whitespace());
    address
        .parse()
        .ok()
        .filter(|_| is_one)
        .map(|address| Mailbox::new(None, address))
        .ok_or_else(|| "this is no e-mail address".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::mail::Templates;
    use crate::queue::MailKey;

    fn mail(recipient: &str, idempotency_key: &str, tenant_name: &str) -> Mail {
        Mail {
            key: MailKey {
                tenant_id: Uuid::nil(),
                id: Uuid::max(),
                fencing_token: 1,
            },
            attempt: 1,
            idempotency_key: idempotency_key.to_owned(),
            template: "invitation".to_owned(),
            recipient: recipient.to_owned(),
            variables: json!({"tenant_name": tenant_name, "invited_by": "Ada"}),
            expires_at: None,
        }
    }

    fn written(mail: &Mail) -> Result<String, String> {
        let rendered = Templates::new()
            .unwrap()
            .render(&mail.template, &mail.variables, "https://a.example/#t")
            .unwrap();
        let from = "AIAS <no-reply@aias.example>".parse().unwrap();
        message(mail, &rendered, &from)
            .map(|message| String::from_utf8(message.formatted()).unwrap())
    }

    /// The names of the headers, in their order.
    fn headers(message: &str) -> Vec<&str> {
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        head.split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split_once(':').unwrap().0)
            .collect()
    }

    const HEADERS: [&str; 9] = [
        "From",
        "To",
        "Subject",
        "Message-ID",
        "Idempotency-Key",
        "Auto-Submitted",
        "MIME-Version",
        "Date",
        "Content-Type",
    ];

    #[test]
    fn a_mail_has_what_it_needs() {
        let message = written(&mail("bo@b.example", "invitation:1", "Älpha")).unwrap();
        for line in [
            "From: AIAS <no-reply@aias.example>\r\n",
            "To: bo@b.example\r\n",
            "Message-ID: <ffffffff-ffff-ffff-ffff-ffffffffffff@aias.example>\r\n",
            "Idempotency-Key: invitation:1\r\n",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(message.contains(line), "{line} / {message}");
        }
        assert!(message.is_ascii());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in [
            "",
            "bo",
            "bo@b.example\r\nBcc: c@c.example",
            "bo@b.example, c@c.example",
            "<bo@b.example>",
            "\"bo c\"@b.example",
        ] {
            let refused = written(&mail(address, "key", "Alpha"));
            assert_eq!(
                refused,
                Err("this is no e-mail address".to_owned()),
                "{address}"
            );
        }
    }

    proptest! {
        /// Whatever a tenant is called, its mail has the same headers and one recipient.
        #[test]
        fn no_header_can_be_smuggled_in(
            name in "([\\r\\n\\t :]|Bcc: c@c\\.example|=\\?utf-8\\?q\\?|[a-z]{1,9}|\\PC){0,60}",
            key in "([\\r\\n\\t :]|X-Spam: no|[a-z]{1,9}){0,20}",
        ) {
            let message = written(&mail("bo@b.example", &key, &name)).unwrap();
            let mut found = headers(&message);
            let mut wanted = HEADERS.to_vec();
            found.sort_unstable();
            wanted.sort_unstable();
            prop_assert_eq!(found, wanted, "{}", message);
            prop_assert!(message.split("\r\n").all(|line| !line.contains(['\r', '\n'])));
        }
    }
}
