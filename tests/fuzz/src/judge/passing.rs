//! What is another text each time although it says the same: ids and keys that were drawn by chance, times of this run, and ghosts.

use super::Settler;
use crate::ids;

impl Settler<'_> {
    /// A text with a word in the place of each of these.
    pub(super) fn without_passing(&self, text: &str) -> String {
        let text = self.secrets.to_foreign(text);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(letter) = text[at..].chars().next() {
            if let Some((end, id)) = ids::uuid_at(&text, at) {
                if self.secrets.is_known(id) {
                    out.push_str(&text[at..end]);
                } else {
                    out.push_str("<id>");
                }
                at = end;
            } else if let Some(end) = self.time_at(&text, at) {
                out.push_str("<time>");
                at = end;
            } else if let Some(end) = secret_at(&text, at) {
                out.push_str("<secret>");
                at = end;
            } else {
                out.push(letter);
                at += letter.len_utf8();
            }
        }
        out
    }

    /// The end of a time that begins here and is of this run.
    fn time_at(&self, text: &str, at: usize) -> Option<usize> {
        const SHAPE: &[u8] = b"dddd-dd-dd dd:dd:dd";
        let bytes = text.as_bytes().get(at..at + SHAPE.len())?;
        let fits = SHAPE.iter().zip(bytes).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            b' ' => matches!(byte, b' ' | b'T'),
            other => byte == other,
        });
        // The two forms differ in one letter.
        let bytes = bytes
            .iter()
            .map(|byte| if *byte == b' ' { b'T' } else { *byte });
        if !fits || bytes.lt(self.made_at.bytes()) {
            return None;
        }
        let rest = &text.as_bytes()[at + SHAPE.len()..];
        let tail = rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || b".:+-Z".contains(byte))
            .count();
        Some(at + SHAPE.len() + tail)
    }
}

/// What a webhook's address and the secret of its signatures begin with; 43 characters of base64url follow.
const BEFORE_TOKENS: [&str; 2] = ["/hooks/", "aias_hook_"];

/// The end of what was drawn by chance: an API key or its prefix, a webhook's address or secret, a hash.
fn secret_at(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let run = |from: usize, fits: fn(&u8) -> bool| {
        bytes[from..].iter().take_while(|byte| fits(byte)).count()
    };
    let begins = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
    if !begins {
        return None;
    }
    if text[at..].starts_with("aias_") && run(at + 5, u8::is_ascii_hexdigit) >= 8 {
        return Some(
            at + run(at, |byte| {
                byte.is_ascii_alphanumeric() || b"-_".contains(byte)
            }),
        );
    }
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    for before in BEFORE_TOKENS {
        let token = at + before.len();
        if text[at..].starts_with(before) && run(token, is_base64url) == 43 {
            return Some(token + 43);
        }
    }
    (run(at, u8::is_ascii_hexdigit) == 64).then_some(at + 64)
}
