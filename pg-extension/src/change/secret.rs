//! Whether a value may hold a secret: what most changes do not, and can be told without a regular expression and without a text.
//!
//! It answers true too often rather than too seldom. What is to be done then is for SQL to say: audit.told in migrations/20261125000500_audit.sql,
//! which leaves every value as it is for which this is false. Tests hold that.

use crate::jsonb::{
    CONTAINER, Child, Container, Field, MAX_DEPTH, NUMERIC, STRING, most_characters,
};

/// What is longer as text is not looked at.
const MOST_CHARACTERS: usize = 2000;

/// The words of audit.told's regular expression, written out.
const WORDS: [&[u8]; 15] = [
    b"authorization",
    b"apikey",
    b"api-key",
    b"api_key",
    b"token",
    b"secret",
    b"passw",
    b"cookie",
    b"credential",
    b"privatekey",
    b"private-key",
    b"private_key",
    b"bearer",
    b"basic",
    // A URL with a password in it.
    b"@",
];

/// Of a `jsonb` datum without its length word.
pub fn may_be_in(bytes: &[u8]) -> bool {
    let mut plain = Plain {
        characters_left: MOST_CHARACTERS,
    };
    Container::read(bytes).is_none_or(|root| plain.container(root, 0).is_none())
}

/// Reads a value to its end, or to what makes it one that may hold a secret: then `None`.
struct Plain {
    characters_left: usize,
}

impl Plain {
    fn container(&mut self, container: Container<'_>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.written(2)?;
        if container.is_object() {
            for Field {
                key, kind, value, ..
            } in container.fields()
            {
                self.text(key)?;
                self.value(kind, value, depth)?;
            }
        } else {
            for (kind, child) in container.items() {
                self.value(kind, child, depth)?;
            }
        }
        Some(())
    }

    fn value(&mut self, kind: u32, child: Child<'_>, depth: usize) -> Option<()> {
        // A comma or a colon, and the space behind it.
        self.written(2)?;
        match kind {
            STRING => self.text(child),
            NUMERIC => self.written(most_characters(child.aligned())?),
            CONTAINER => self.container(Container::read(child.aligned())?, depth + 1),
            // null, true, false
            _ => self.written(5),
        }
    }

    fn text(&mut self, text: Child<'_>) -> Option<()> {
        let bytes = text.bytes;
        // In quotes, with what stands behind a key.
        self.written(bytes.len() + 4)?;
        for (at, byte) in bytes.iter().enumerate() {
            if byte.is_ascii_control() || matches!(byte, b'"' | b'\\') {
                // As much as \u0001 is more than what it stands for.
                self.written(5)?;
            } else if BEGINS_WORD[usize::from(*byte)]
                && WORDS.iter().any(|word| begins_with(&bytes[at..], word))
            {
                return None;
            }
        }
        Some(())
    }

    fn written(&mut self, characters: usize) -> Option<()> {
        self.characters_left = self.characters_left.checked_sub(characters)?;
        Some(())
    }
}

fn begins_with(bytes: &[u8], word: &[u8]) -> bool {
    bytes
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

const BEGINS_WORD: [bool; 256] = {
    let mut begins = [false; 256];
    let mut word = 0;
    while word < WORDS.len() {
        let first = WORDS[word][0];
        begins[first as usize] = true;
        begins[first.to_ascii_uppercase() as usize] = true;
        word += 1;
    }
    begins
};
