//! Takes out of a text what points at a person or opens a door, before the text is kept anywhere.
//!
//! | what | how it is recognised | becomes |
//! | --- | --- | --- |
//! | keys and tokens | the beginnings that providers give them; `Bearer …`; JSON web tokens; what follows `password:` and its like | `[key]` |
//! | e-mail addresses | a name, an @ and a domain | `[email]` |
//! | IBANs | country, check digits, length, and the remainder of ISO 7064 | `[iban]` |
//! | cards | 13 to 19 digits, however grouped, whose last one is right by Luhn | `[card]` |
//! | longer numbers | 20 digits and more in one piece, since a card may be in them | `[number]` |
//! | phone numbers | `+` and 7 digits or more, `0` and 9 or more, or ten in the American grouping | `[phone]` |
//!
//! A number that only looks like one is masked, too: what is kept is for reading and not for calculating. What somebody spells in words, or spreads over
//! two messages, is not found. The expressions are of the crate `regex`, whose time is linear in the text whatever the text is.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

const KEY: &str = "[key]";

static KEYS: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{8,}",
        r"|\baias_[A-Za-z0-9_-]{8,}",
        r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_[A-Za-z0-9_]{16,}|\bglpat-[A-Za-z0-9_-]{16,}",
        r"|\bxox[abeprs]-[A-Za-z0-9-]{8,}|\bwhsec_[A-Za-z0-9+/=]{8,}",
        r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}|\bAIza[A-Za-z0-9_-]{30,}|\bya29\.[A-Za-z0-9_-]{16,}",
        r"|\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
    ))
});

/// What follows is the secret: the scheme of an Authorization header, or a name and a colon.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r"(?i)(?P<name>\b(?:bearer|basic)[ \t]+",
        r#"|(?:api[_ -]?key|access[_ -]?key|password|passwd|secret|token)\\?["']?[ \t]*[:=][ \t]*\\?["']?)"#,
        r#"(?P<secret>[A-Za-z0-9._~+/=!@#$%^&*-]{8,})"#,
    ))
});

static EMAILS: LazyLock<Regex> =
    LazyLock::new(|| expression(r"[\p{L}\p{N}._%+'-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+"));

/// What an IBAN begins with; whether it is one is calculated.
static IBAN_STARTS: LazyLock<Regex> = LazyLock::new(|| expression(r"(?i)\b[A-Z]{2}[0-9]{2}"));

/// Digits in groups.
static NUMBERS: LazyLock<Regex> = LazyLock::new(|| expression(r"[0-9](?:[ -]?[0-9]){12,}"));

static PHONES: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r"\+[0-9][0-9 ()./-]{5,20}[0-9]",
        r"|\(?\b0[0-9][0-9 ()./-]{4,20}[0-9]\b",
        r"|\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b",
    ))
});

#[expect(
    clippy::expect_used,
    reason = "they are constants, and the tests use each of them"
)]
fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a constant expression")
}

/// The text without what can be recognised in it. What is masked once is not masked again.
pub fn masked(text: &str) -> String {
    let text = KEYS.replace_all(text, KEY);
    let text = NAMED.replace_all(&text, |found: &Captures<'_>| {
        let (name, secret) = (&found["name"], &found["secret"]);
        match name.ends_with([' ', '\t']) && is_a_word(secret) {
            true => found[0].to_owned(),
            false => format!("{name}{KEY}"),
        }
    });
    let text = EMAILS.replace_all(&text, "[email]");
    let text = without_ibans(&text);
    let text = NUMBERS.replace_all(&text, |found: &Captures<'_>| masked_cards(&found[0]));
    let text = PHONES.replace_all(&text, |found: &Captures<'_>| {
        let digits = found[0].bytes().filter(u8::is_ascii_digit).count();
        // Below that it is a date, a price or a version.
        let fewest = if found[0].starts_with('+') { 7 } else { 9 };
        match digits >= fewest {
            true => Cow::Borrowed("[phone]"),
            false => Cow::Owned(found[0].to_owned()),
        }
    });
    text.into_owned()
}

/// All texts in it, the names of fields too.
pub fn masked_json(value: &Value) -> Value {
    match value {
        // The database takes no NUL in a text.
        Value::String(text) => masked(&text.replace('\0', "\u{fffd}")).into(),
        Value::Array(items) => items.iter().map(masked_json).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| {
                let name = masked(&name.replace('\0', "\u{fffd}"));
                (name, masked_json(value))
            });
            Value::Object(fields.collect())
        }
        Value::Number(number) => {
            let text = number.to_string();
            let masked = masked(&text);
            if masked == text {
                value.clone()
            } else {
                masked.into()
            }
        }
        other => other.clone(),
    }
}

/// After `basic` and `bearer` there may come a word, as in a sentence.
fn is_a_word(secret: &str) -> bool {
    let word = secret.trim_end_matches(['.', '!', '-']);
    let mut chars = word.chars();
    chars
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && chars.all(|char| char.is_ascii_lowercase())
        && word.len() < 20
}

fn without_ibans(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for start in IBAN_STARTS.find_iter(text).map(|found| found.start()) {
        if start >= done
            && let Some(length) = length_of_iban(&text[start..])
        {
            masked.push_str(&text[done..start]);
            masked.push_str("[iban]");
            done = start + length;
        }
    }
    masked.push_str(&text[done..]);
    masked
}

/// Of the longest with which the text begins, in groups or in one piece. Words may follow it.
fn length_of_iban(text: &str) -> Option<usize> {
    let mut compact = String::with_capacity(34);
    let mut longest = None;
    let mut was_between = false;
    for (at, byte) in text.bytes().enumerate() {
        if !byte.is_ascii_alphanumeric() {
            // One character between two groups.
            if was_between || !matches!(byte, b' ' | b'-') {
                break;
            }
            was_between = true;
            continue;
        }
        was_between = false;
        compact.push(char::from(byte));
        if compact.len() > 34 {
            break;
        }
        let ends = text.as_bytes().get(at + 1);
        let is_end = ends.is_none_or(|next| !next.is_ascii_alphanumeric());
        if compact.len() >= 15 && is_end && is_iban(&compact) {
            longest = Some(at + 1);
        }
    }
    longest
}

/// <https://www.iso.org/standard/81090.html>: the first four characters go to the end, letters are numbers from 10, and 1 remains of 97.
fn is_iban(compact: &str) -> bool {
    let (head, tail) = compact.split_at(4);
    let remainder = tail.chars().chain(head.chars()).try_fold(0, |rest, char| {
        let digit = char.to_digit(36)?;
        Some(if digit < 10 {
            (rest * 10 + digit) % 97
        } else {
            (rest * 100 + digit) % 97
        })
    });
    remainder == Some(1)
}

/// A card may have other numbers before and after it: each stretch of whole groups is looked at, the longest first.
fn masked_cards(found: &str) -> String {
    let groups: Vec<&str> = found.split([' ', '-']).collect();
    // Where each begins, and what stands between them is one character wide.
    let starts: Vec<usize> = groups
        .iter()
        .scan(0, |at, group| {
            let start = *at;
            *at += group.len() + 1;
            Some(start)
        })
        .collect();
    let mut text = String::with_capacity(found.len());
    let mut first = 0;
    while first < groups.len() {
        let mut digits = String::new();
        let mut card = None;
        for (last, group) in groups.iter().enumerate().skip(first) {
            digits.push_str(group);
            if digits.len() > 19 {
                break;
            }
            if digits.len() >= 13 && is_luhn(&digits) {
                card = Some(last);
            }
        }
        // One without groups may have anything around it.
        let is_long = groups[first].len() > 19;
        let until = card.unwrap_or(first);
        let end = starts[until] + groups[until].len();
        match card {
            Some(_) => text.push_str("[card]"),
            None if is_long => text.push_str("[number]"),
            None => text.push_str(&found[starts[first]..end]),
        }
        if until + 1 < groups.len() {
            text.push_str(&found[end..=end]);
        }
        first = until + 1;
    }
    text
}

fn is_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, byte)| {
            let digit = u32::from(byte - b'0');
            match (index % 2, digit) {
                (0, digit) => digit,
                (_, digit @ 0..=4) => digit * 2,
                (_, digit) => digit * 2 - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_recognised_is_masked() {
        for (text, expected) in [
            (
                "write to Ada.Lovelace+x@mail.example.co.uk, please",
                "write to [email], please",
            ),
            ("jörg@müller.example", "[email]"),
            ("call +49 (0)731 123456 now", "call [phone] now"),
            ("0731/123456-78", "[phone]"),
            ("(555) 123-4567 or 555.123.4567", "[phone] or [phone]"),
            (
                "card 4111 1111 1111 1111 12/28 123",
                "card [card] 12/28 123",
            ),
            ("4111-1111-1111-1111", "[card]"),
            ("378282246310005", "[card]"),
            (
                "order 17 4111111111111111 2 pieces",
                "order 17 [card] 2 pieces",
            ),
            ("pay DE89 3704 0044 0532 0130 00 today", "pay [iban] today"),
            ("GB82WEST12345698765432", "[iban]"),
            (
                "No12 DE89370400440532013000, AB12 GB82 WEST 1234 5698 7654 32.",
                "No12 [iban], AB12 [iban].",
            ),
            ("de89370400440532013000", "[iban]"),
            (
                "OPENAI_API_KEY=sk-proj-abcDEF0123456789_x",
                "OPENAI_API_KEY=[key]",
            ),
            ("aias_0123456789abcdefghij", "[key]"),
            (
                "ghp_0123456789abcdefABCD, AKIAIOSFODNN7EXAMPLE",
                "[key], [key]",
            ),
            (
                "Authorization: Bearer abc.def-ghi_jkl==",
                "Authorization: Bearer [key]",
            ),
            (
                r#"{"password": "hunter2hunter2"}"#,
                r#"{"password": "[key]"}"#,
            ),
            (
                r#"{\"api_key\":\"0123456789\"}"#,
                r#"{\"api_key\":\"[key]\"}"#,
            ),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[key]"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_left_alone() {
        for text in [
            "",
            "In 2024 there were 1,234,567 of 10.000.000, which is 12.3 %.",
            "01a2185f-1450-7cde-b90c-ff2152fdcd91",
            "4111 1111 1111 1112",
            "GB00WEST1234AB98CD54",
            "@everyone, meet at 10:30 on 2026-12-01",
            "the token is short, the password: abc",
            "sk-1 and bearer of news",
            "a basic understanding, the bearer instrument.",
            "café – naïve – 日本語 🙂",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn json_is_masked_in_all_its_texts() {
        let asked = json!({"a@example.com": [{"text": "b@example.com"}, 4_111_111_111_111_111_u64, 7, null]});
        let expected = json!({"[email]": [{"text": "[email]"}, "[card]", 7, null]});
        assert_eq!(masked_json(&asked), expected);
    }

    fn card() -> impl Strategy<Value = String> {
        let grouped = (proptest::collection::vec(0..10_u32, 15), "[ -]?");
        grouped.prop_map(|(digits, between)| {
            let digits: String = digits.iter().map(u32::to_string).collect();
            let last = (0..10).find(|last| is_luhn(&format!("{digits}{last}")));
            let digits = format!("{digits}{}", last.unwrap());
            let groups: Vec<&str> = (0..4).map(|at| &digits[at * 4..at * 4 + 4]).collect();
            groups.join(&between)
        })
    }

    fn secret() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z]{1,8}\\.[a-z0-9]{1,8}@[a-z]{2,8}\\.(com|de|co\\.uk)",
            "sk-[A-Za-z0-9]{20,40}",
            "eyJ[A-Za-z0-9]{10,20}\\.eyJ[A-Za-z0-9]{10,20}\\.[A-Za-z0-9_-]{10,20}",
            "\\+[1-9][0-9]{1,2} [0-9]{3} [0-9]{4,6}",
            card(),
        ]
    }

    proptest! {
        /// Wherever it stands among words.
        #[test]
        fn nothing_of_a_secret_stays(before in "[ \\PC]{0,40}[ \n,;(]", secret in secret(), after in "[ \n,;)][ \\PC]{0,40}") {
            let masked = masked(&format!("{before}{secret}{after}"));
            prop_assert!(!masked.contains(&secret), "{masked}");
        }

        #[test]
        fn what_is_masked_stays_as_it_is(text in "\\PC{0,200}") {
            let once = masked(&text);
            prop_assert_eq!(&masked(&once), &once);
        }
    }
}
