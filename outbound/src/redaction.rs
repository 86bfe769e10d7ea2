//! Takes secrets out of what a call brings home: the other side may send back what it was sent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{Failure, MASK};

/// A shorter text is in everything. The shortest secret that can be set is as long.
const SHORTEST: usize = 4;
/// What must not be recorded of one call. Knows each secret, each text of the request that was made with one, and how either looks where it
/// is quoted or encoded. Without secrets it changes nothing.
#[derive(Default)]
pub struct Redaction {
    /// The longest first: one may be a part of another.
    hidden: Vec<Zeroizing<String>>,
}

/// How much it hides, and nothing of what.
impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redaction")
            .field(&self.hidden.len())
            .finish()
    }
}

impl Redaction {
    /// `shown` is the config with masks for secrets, `filled` the same with the secrets.
    pub fn of(secrets: &BTreeMap<String, SecretString>, shown: &Value, filled: &Value) -> Self {
        let mut redaction = Self::default();
        for value in secrets.values() {
            redaction.hide(value.expose_secret());
        }
        // Which an expression may have made of a secret: in capitals, cut, put together.
        redaction.hide_differences(shown, filled);
        if shown.get("auth") != filled.get("auth") {
            redaction.hide_basic(filled);
        }
        redaction.longest_first();
        redaction
    }

    /// Hides texts that are no secrets and are nobody's to read all the same.
    pub fn of_passages(passages: &[&str]) -> Self {
        let mut redaction = Self::default();
        for passage in passages {
            redaction.hide(passage);
        }
        redaction.longest_first();
        redaction
    }

    fn longest_first(&mut self) {
        self.hidden.sort_unstable_by(|one, other| {
            other.len().cmp(&one.len()).then_with(|| one.cmp(other))
        });
        self.hidden.dedup();
    }

    pub fn is_empty(&self) -> bool {
        self.hidden.is_empty()
    }

    /// Whether there is something to hide in a text.
    pub fn touches(&self, text: &str) -> bool {
        self.hidden
            .iter()
            .any(|hidden| find(text.as_bytes(), hidden.as_bytes()).is_some())
    }

    /// The text with masks for what is hidden.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for hidden in &self.hidden {
            if let Some(masked) = without(&shown, hidden) {
                shown = Cow::Owned(masked);
            }
        }
        shown
    }

    /// The same wherever there is text in a value, names of fields and the digits of numbers included.
    pub fn value(&self, value: &mut Value) {
        if self.is_empty() {
            return;
        }
        match value {
            Value::String(text) => {
                if let Cow::Owned(shown) = self.text(text) {
                    *text = shown;
                }
            }
            Value::Number(number) => {
                if self.touches(&number.to_string()) {
                    *value = Value::String(MASK.to_owned());
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                if fields.keys().any(|name| self.touches(name)) {
                    let renamed = std::mem::take(fields)
                        .into_iter()
                        .map(|(name, field)| (self.text(&name).into_owned(), field));
                    *fields = renamed.collect::<Map<_, _>>();
                }
                fields.values_mut().for_each(|field| self.value(field));
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// A result as it may be shown.
    pub fn result(&self, result: Result<Value, Failure>) -> Result<Value, Failure> {
        match result {
            Ok(mut answer) => {
                self.value(&mut answer);
                Ok(answer)
            }
            Err(mut failure) => {
                failure.message = self.text(&failure.message).into_owned();
                if let Some(details) = &mut failure.details {
                    self.value(details);
                }
                Err(failure)
            }
        }
    }

    fn hide(&mut self, text: &str) {
        for text in [text, text.trim()] {
            let quoted = Value::String(text.to_owned()).to_string();
            let quoted = quoted[1..quoted.len() - 1].to_owned();
            for hidden in [
                text.to_owned(),
                // PHP's JSON, and that of whoever writes nothing but ASCII, such as Python.
                quoted.replace('/', "\\/"),
                in_ascii(&quoted),
                quoted,
                STANDARD_NO_PAD.encode(text),
                URL_SAFE_NO_PAD.encode(text),
            ] {
                if hidden.chars().count() >= SHORTEST {
                    self.hidden.push(Zeroizing::new(hidden));
                }
            }
        }
    }

    fn hide_differences(&mut self, shown: &Value, filled: &Value) {
        match (shown, filled) {
            (shown, filled) if shown == filled => {}
            (_, Value::String(text)) => self.hide(text),
            // A number that an expression has made of a secret.
            (_, Value::Number(number)) => self.hide(&number.to_string()),
            (Value::Array(before), Value::Array(after)) => {
                for (index, item) in after.iter().enumerate() {
                    self.hide_differences(before.get(index).unwrap_or(&Value::Null), item);
                }
            }
            (Value::Object(before), Value::Object(after)) => {
                for (name, field) in after {
                    self.hide_differences(before.get(name).unwrap_or(&Value::Null), field);
                }
            }
            (_, Value::Array(items)) => items
                .iter()
                .for_each(|item| self.hide_differences(&Value::Null, item)),
            (_, Value::Object(fields)) => fields
                .values()
                .for_each(|field| self.hide_differences(&Value::Null, field)),
            (_, Value::Null | Value::Bool(_)) => {}
        }
    }

    /// RFC 7617: in the header it is neither the user name nor the password.
    fn hide_basic(&mut self, filled: &Value) {
        let text = |name: &str| {
            let field = filled.get("auth").and_then(|auth| auth.get(name));
            field.and_then(Value::as_str).unwrap_or_default()
        };
        if text("kind") == "basic" {
            self.hide(&format!("{}:{}", text("username"), text("password")));
        }
    }
}

/// `None` when it is not in there.
fn without(text: &str, hidden: &str) -> Option<String> {
    let mut rest = text.as_bytes();
    let mut shown = Vec::new();
    while let Some(Range { start, end }) = find(rest, hidden.as_bytes()) {
        shown.extend_from_slice(&rest[..start]);
        shown.extend_from_slice(MASK.as_bytes());
        rest = &rest[end..];
    }
    if rest.len() == text.len() {
        return None;
    }
    shown.extend_from_slice(rest);
    Some(String::from_utf8_lossy(&shown).into_owned())
}

/// Where the first one is. Any of its bytes may be percent-encoded (RFC 3986, section 2.1), and a space be a plus: which are differs from one
/// encoder to the next.
fn find(text: &[u8], hidden: &[u8]) -> Option<Range<usize>> {
    let first = *hidden.first()?;
    let begins = |byte: u8| byte == first || byte == b'%' || (byte == b'+' && first == b' ');
    (0..text.len())
        .filter(|start| begins(text[*start]))
        .find_map(|start| Some(start..start + length_of(&text[start..], hidden)?))
}

/// How many bytes it takes at the beginning of a text.
fn length_of(text: &[u8], hidden: &[u8]) -> Option<usize> {
    let mut at = 0;
    for wanted in hidden {
        let encoded = match text.get(at..at + 3) {
            Some([b'%', high, low]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        at += match text.get(at)? {
            _ if encoded == Some(*wanted) => 3,
            plain if plain == wanted || (*plain == b'+' && *wanted == b' ') => 1,
            _ => return None,
        };
    }
    Some(at)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn in_ascii(quoted: &str) -> String {
    let mut ascii = String::new();
    for unit in quoted.encode_utf16() {
        match u8::try_from(unit).ok().filter(u8::is_ascii) {
            Some(byte) => ascii.push(char::from(byte)),
            None => ascii.push_str(&format!("\\u{unit:04x}")),
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hiding(value: &str) -> Redaction {
        let secrets = BTreeMap::from([("key".to_owned(), SecretString::from(value))]);
        Redaction::of(&secrets, &Value::Null, &Value::Null)
    }

    #[test]
    fn a_secret_is_hidden_however_it_is_written() {
        let redaction = hiding("p4ss \"w/rd\"+é");
        for text in [
            "p4ss \"w/rd\"+é",
            r#"{"a": "p4ss \"w/rd\"+é"}"#,
            "p4ss%20%22w%2Frd%22%2B%C3%A9",
            "p4ss+%22w%2Frd%22%2B%C3%A9",
            "/p4ss%20%22w/rd%22+%C3%A9/",
            "%70%34ss%20%22w/rd%22%2b%c3%a9",
            r#"{"a": "p4ss \"w\/rd\"+é"}"#,
            r#"{"a": "p4ss \"w/rd\"+\u00e9"}"#,
            "cDRzcyAidy9yZCIrw6k",
            "x=cDRzcyAidy9yZCIrw6k=&",
        ] {
            let shown = redaction.text(text);
            assert!(
                shown.contains("***") && !shown.contains("p4ss") && !shown.contains("cDRz"),
                "{text}: {shown}"
            );
        }
        for text in ["p4ss and w/rd", "100 % of 5 %7", "%", "%7", ""] {
            assert_eq!(redaction.text(text), text);
        }
    }

    #[test]
    fn it_is_hidden_everywhere_in_a_value() {
        let redaction = hiding("31337");
        let mut value = json!({"a31337": [31337, 1.5, {"b": "x31337y"}], "n": 3133, "t": true});
        redaction.value(&mut value);
        assert_eq!(
            value,
            json!({"a***": ["***", 1.5, {"b": "x***y"}], "n": 3133, "t": true})
        );
    }

    #[test]
    fn what_an_expression_made_of_it_is_hidden_too() {
        let secrets = BTreeMap::from([("key".to_owned(), SecretString::from("hunter2"))]);
        let shown = json!({"kind": "http", "headers": {"a": "***", "b": "same text"}, "auth": {"kind": "basic", "username": "me", "password": "***"}});
        let filled = json!({"kind": "http", "headers": {"a": "HUNTER2", "b": "same text"}, "auth": {"kind": "basic", "username": "me", "password": "hunter2"}});
        let redaction = Redaction::of(&secrets, &shown, &filled);
        // me:hunter2
        let text = redaction
            .text("HUNTER2, same text, http, basic, Basic bWU6aHVudGVyMg==")
            .into_owned();
        assert_eq!(text, "***, same text, http, basic, Basic ***==");
    }

    #[test]
    fn the_longer_of_two_goes_first() {
        let secrets =
            ["token", "token-and-more"].map(|value| (value.to_owned(), SecretString::from(value)));
        let redaction = Redaction::of(&secrets.into(), &Value::Null, &Value::Null);
        assert_eq!(redaction.text("token-and-more token"), "*** ***");
    }

    #[test]
    fn without_secrets_nothing_is_changed() {
        let redaction = Redaction::default();
        let mut value = json!({"": [""]});
        redaction.value(&mut value);
        assert_eq!(
            (value, redaction.text("x")),
            (json!({"": [""]}), Cow::Borrowed("x"))
        );
    }
}
