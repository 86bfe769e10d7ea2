//! `email`: hands a mail to the outbox, which is what this step is about; it goes when the mail server takes it.
//!
//! The outbox has it once, however often the step is tried: a step whose worker died after the hand-over finds its mail there.

use serde_json::{Value, json};

use super::{Call, Failure, Stopped, Success};
use crate::mail::address;
use crate::queue::{self, Queue, StepMail};

/// Recipients of one mail; each of them sees the others.
const MOST_RECIPIENTS: usize = 50;
/// Of the subject, in characters: RFC 5322, section 2.1.1.
const LONGEST_SUBJECT: usize = 998;
/// Of the text and of the page, in bytes each.
const LARGEST_PART: usize = 256 * 1024;

/// # Errors
/// `invalid_config`, `mail_too_large`, `rate_limited`, `tenant_suspended`, `database_unavailable`.
pub async fn run(queue: &Queue, call: &Call) -> Result<Success, Stopped> {
    let mail = read(&call.config)?;
    match queue
        .send_mail(call.claim, &call.node_id, call.place.item, &mail)
        .await
    {
        Ok(Some(accepted)) => Ok(Success::from(json!({
            "mail_id": accepted.id,
            "to": mail.to,
            "accepted_at": accepted.accepted_at,
        }))),
        Ok(None) => Err(Stopped::ClaimLost),
        Err(error) => Err(match queue::refusal(&error) {
            Some(refusal) => Failure::refused(refusal).into(),
            None => Failure::database("hand the mail over", &error).into(),
        }),
    }
}

/// A mail out of a rendered config.
fn read(config: &Value) -> Result<StepMail, Failure> {
    let subject = text(config, "subject")?.unwrap_or_default();
    // One line, whatever a template has put in; what a header is made of is encoded besides.
    let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let subject: String = subject.chars().filter(|c| !c.is_control()).collect();
    if subject.is_empty() || subject.chars().count() > LONGEST_SUBJECT {
        return Err(Failure::invalid_config(format!(
            "the subject must have 1 to {LONGEST_SUBJECT} characters"
        )));
    }
    let mail = StepMail {
        to: recipients(config.get("to").unwrap_or(&Value::Null))?,
        subject,
        text: text(config, "text")?,
        html: text(config, "html")?,
    };
    for (field, part) in [("text", &mail.text), ("html", &mail.html)] {
        if part.as_ref().is_some_and(|part| part.len() > LARGEST_PART) {
            return Err(Failure::new(
                "mail_too_large",
                format!("{field} has more than {LARGEST_PART} bytes"),
            ));
        }
    }
    if mail.text.is_none() && mail.html.is_none() {
        return Err(Failure::invalid_config("a mail needs text or html"));
    }
    Ok(mail)
}

fn text(config: &Value, field: &'static str) -> Result<Option<String>, Failure> {
    match config.get(field) {
        None | Some(Value::Null) => Ok(None),
        // The database cannot keep it, and no mail needs it.
        Some(Value::String(text)) => Ok(Some(text.replace('\0', ""))),
        Some(number @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(number.to_string())),
        Some(_) => Err(Failure::invalid_config(format!(
            "{field} was rendered to something that is no text"
        ))),
    }
}

fn recipients(to: &Value) -> Result<Vec<String>, Failure> {
    let several: Vec<&str> = match to {
        Value::String(list) => list.split(',').collect(),
        Value::Array(list) => list
            .iter()
            .map(|one| {
                one.as_str()
                    .ok_or_else(|| Failure::invalid_config("to has an entry that is no text"))
            })
            .collect::<Result<_, _>>()?,
        _ => {
            return Err(Failure::invalid_config(
                "to is no address and no list of them",
            ));
        }
    };
    let mut found: Vec<String> = Vec::new();
    for (index, one) in several.into_iter().enumerate() {
        let one = one.trim();
        if address(one).is_none() {
            return Err(Failure::invalid_config(format!(
                "recipient {} is no e-mail address such as ada@example.com",
                index + 1
            )));
        }
        if !found.iter().any(|known| known.eq_ignore_ascii_case(one)) {
            found.push(one.to_owned());
        }
    }
    if found.is_empty() || found.len() > MOST_RECIPIENTS {
        return Err(Failure::invalid_config(format!(
            "a mail has 1 to {MOST_RECIPIENTS} recipients; this has {}",
            found.len()
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail_to(to: Value) -> Result<Vec<String>, Failure> {
        read(&json!({"to": to, "subject": "Hi", "text": "Hello"})).map(|mail| mail.to)
    }

    #[test]
    fn recipients_are_one_several_or_a_list() {
        for (to, wanted) in [
            (json!("ada@a.example"), vec!["ada@a.example"]),
            (
                json!("ada@a.example, bo@b.example,ADA@a.example"),
                vec!["ada@a.example", "bo@b.example"],
            ),
            (
                json!([" ada@a.example ", "bo@b.example"]),
                vec!["ada@a.example", "bo@b.example"],
            ),
        ] {
            assert_eq!(mail_to(to).unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_no_address_sends_nothing() {
        for to in [
            json!(null),
            json!(""),
            json!([]),
            json!(5),
            json!([5]),
            json!("ada"),
            json!("ada@a.example\r\nBcc: x@x.example"),
            json!(["ada@a.example\nSubject: x"]),
            json!("Ada <ada@a.example>"),
            json!(["ada@a.example,bo@b.example"]),
            json!("ada@a.example;bo@b.example"),
        ] {
            assert_eq!(
                mail_to(to.clone()).unwrap_err().code,
                "invalid_config",
                "{to}"
            );
        }
        let many: Vec<String> = (0..51).map(|n| format!("a{n}@a.example")).collect();
        assert_eq!(mail_to(json!(many)).unwrap_err().code, "invalid_config");
        assert_eq!(mail_to(json!(many[..50])).unwrap().len(), 50);
    }

    #[test]
    fn a_subject_is_one_line() {
        let subject = |subject: &str| {
            read(&json!({"to": "a@a.example", "subject": subject, "text": "x"}))
                .map(|mail| mail.subject)
        };
        assert_eq!(
            subject("Hi\r\nBcc: x@x.example").unwrap(),
            "Hi Bcc: x@x.example"
        );
        assert_eq!(subject(" \n ").unwrap_err().code, "invalid_config");
        assert_eq!(
            subject(&"x".repeat(999)).unwrap_err().code,
            "invalid_config"
        );
    }

    #[test]
    fn a_mail_has_text_and_its_size_an_end() {
        let read = |more: Value| {
            let mut config = json!({"to": "a@a.example", "subject": "x"});
            config
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            read(&config)
        };
        assert_eq!(read(json!({})).unwrap_err().code, "invalid_config");
        assert_eq!(
            read(json!({"text": {"a": 1}})).unwrap_err().code,
            "invalid_config"
        );
        let large = "x".repeat(LARGEST_PART + 1);
        assert_eq!(
            read(json!({"html": large})).unwrap_err().code,
            "mail_too_large"
        );
        assert_eq!(read(json!({"text": "a\0b"})).unwrap().text.unwrap(), "ab");
    }
}
