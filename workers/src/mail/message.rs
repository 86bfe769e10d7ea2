//! From what a person reads to what goes over the wire.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, Message};
use serde::Deserialize;

use super::Rendered;
use super::render::{one_line, shortened};
use crate::queue::Mail;

/// Builds the message of a template. Every header goes through the library's encoder, and is one line before that.
///
/// # Errors
/// When the recipient is no address, said for the people of the tenant.
pub fn message(mail: &Mail, rendered: &Rendered, from: &Mailbox) -> Result<Message, String> {
    let to = [mail.recipient.as_str()];
    head(mail, from.clone(), to, &rendered.subject)?
        .multipart(MultiPart::alternative_plain_html(
            rendered.text.clone(),
            rendered.html.clone(),
        ))
        .map_err(unwritable)
}

/// Builds the message of a step: what it has rendered, from the operator's address in the tenant's name.
///
/// # Errors
/// When it has no text, or a recipient is no address.
pub fn step_message(mail: &Mail, from: &Mailbox) -> Result<Message, String> {
    let written = StepContent::deserialize(&mail.variables).map_err(unwritable)?;
    let from = on_behalf_of(&written.sender, from);
    let to = written.to.iter().map(String::as_str);
    let head = head(mail, from, to, &written.subject)?;
    match (written.text, written.html) {
        (Some(text), Some(html)) => head.multipart(MultiPart::alternative_plain_html(text, html)),
        (Some(text), None) => head.singlepart(SinglePart::plain(text)),
        (None, Some(html)) => head.singlepart(SinglePart::html(html)),
        (None, None) => return Err("the mail has no text".to_owned()),
    }
    .map_err(unwritable)
}

/// The variables of a step's mail.
#[derive(Deserialize)]
struct StepContent {
    to: Vec<String>,
    subject: String,
    text: Option<String>,
    html: Option<String>,
    sender: String,
}

/// Who a mail is from that a tenant has written: the address is the operator's, and the name says whose words these are. Not the tenant's
/// name alone, which could be the operator's own.
fn on_behalf_of(tenant: &str, from: &Mailbox) -> Mailbox {
    let through = from.name.as_deref().unwrap_or_else(|| from.email.domain());
    let tenant = shortened(one_line(tenant));
    Mailbox::new(Some(format!("{tenant} via {through}")), from.email.clone())
}

fn head<'a>(
    mail: &Mail,
    from: Mailbox,
    to: impl IntoIterator<Item = &'a str>,
    subject: &str,
) -> Result<MessageBuilder, String> {
    // The same for every try, so that whoever gets it twice can tell.
    let id = format!("<{}@{}>", mail.key.id, from.email.domain());
    let raw =
        |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), one_line(value));
    let mut head = Message::builder()
        .from(from)
        .subject(one_line(subject))
        .message_id(Some(id))
        .raw_header(raw("Idempotency-Key", &mail.idempotency_key))
        // Nobody's out-of-office note is wanted: RFC 3834, section 5.
        .raw_header(raw("Auto-Submitted", "auto-generated"));
    for recipient in to {
        let address = address(recipient).ok_or("this is no e-mail address")?;
        head = head.to(Mailbox::new(None, address));
    }
    Ok(head)
}

fn unwritable(error: impl std::fmt::Display) -> String {
    format!("the mail cannot be written: {error}")
}

/// One address and nothing else: no name, no second one, no line.
pub fn address(text: &str) -> Option<Address> {
    let is_one = !text.contains(|c: char| c.is_control() || c.is_whitespace());
    text.parse().ok().filter(|_| is_one)
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

    fn step_mail(variables: serde_json::Value) -> Result<String, String> {
        let mail = Mail {
            template: "workflow".to_owned(),
            variables,
            ..mail("ada@a.example", "execution:1:notify", "")
        };
        let from = "AIAS <no-reply@aias.example>".parse().unwrap();
        step_message(&mail, &from).map(|message| String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn a_steps_mail_is_in_its_tenants_name_from_the_operators_address() {
        let message = step_mail(json!({
            "to": ["ada@a.example", "bo@b.example"], "subject": "Über 3 orders", "text": "Hello", "html": null, "sender": "Alpha"
        }))
        .unwrap();
        for line in [
            "From: \"Alpha via AIAS\" <no-reply@aias.example>\r\n",
            "To: ada@a.example, bo@b.example\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "\r\n\r\nHello",
        ] {
            assert!(message.contains(line), "{line} / {message}");
        }
        assert!(!message.contains("text/html"), "{message}");
        let page = step_mail(
            json!({"to": ["ada@a.example"], "subject": "x", "html": "<p>Hi</p>", "sender": "A"}),
        );
        assert!(
            page.unwrap()
                .contains("Content-Type: text/html; charset=utf-8\r\n")
        );
        for nothing in [
            json!({"to": ["ada@a.example"], "subject": "x", "sender": "A"}),
            json!({"to": ["ada"], "subject": "x", "sender": "A", "text": "x"}),
            json!({}),
        ] {
            assert!(step_mail(nothing.clone()).is_err(), "{nothing}");
        }
    }

    proptest! {
        /// Whatever a step's templates render to.
        #[test]
        fn a_step_smuggles_no_header_in(
            name in "([\\r\\n\\t :\"<>@,]|Bcc: c@c\\.example|[a-z]{1,9}|\\PC){0,40}",
            subject in "([\\r\\n\\t :]|Bcc: c@c\\.example|=\\?utf-8\\?q\\?|[a-z]{1,9}|\\PC){0,60}",
            text in "([\\r\\n\\t :.]|Bcc: c@c\\.example|\\PC){0,60}",
        ) {
            let message = step_mail(json!({
                "to": ["ada@a.example"], "subject": subject, "text": text, "html": text, "sender": name
            })).unwrap();
            let mut found = headers(&message);
            let mut wanted = HEADERS.to_vec();
            found.sort_unstable();
            wanted.sort_unstable();
            prop_assert_eq!(found, wanted, "{}", message);
            let from = message.split("\r\n").find(|line| line.starts_with("From: ")).unwrap_or_default();
            prop_assert_eq!(message.matches("<no-reply@aias.example>").count(), 1, "{}", from);
        }

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
