//! A place in a text, and the words, strings and numbers that can begin there.

/// A place in a text, always between two characters.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Cursor<'a> {
        Cursor { text, at }
    }

    pub(super) fn is_at_end(self) -> bool {
        self.at == self.text.len()
    }

    pub(super) fn peek(self) -> Option<u8> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Over so many bytes, which must be ASCII.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(super) fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// The first byte behind white space.
    pub(super) fn behind_space(mut self) -> Option<u8> {
        self.skip_space();
        self.peek()
    }

    /// Whether the tag ends here, white space control included.
    pub(super) fn is_end_of_tag(self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        matches!(rest, [b'}', b'}', ..] | [b'-' | b'+', b'}', b'}', ..])
    }

    /// Goes behind the end of the tag, and says where that is.
    pub(super) fn pass_end_of_tag(&mut self) -> Option<usize> {
        if !self.is_end_of_tag() {
            return None;
        }
        self.at += if self.peek() == Some(b'}') { 2 } else { 3 };
        Some(self.at)
    }

    /// A name or a keyword here, without going past it.
    pub(super) fn word(self) -> Option<&'a str> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.first()?.is_ascii_digit() {
            return None;
        }
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        (length > 0).then(|| &self.text[self.at..self.at + length])
    }

    /// A string without escapes, of which the parser makes a single value.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        let quote = self.peek()?;
        let start = self.at + 1;
        let bytes = self.text.as_bytes().get(start..)?;
        let length = bytes
            .iter()
            .position(|byte| *byte == quote || *byte == b'\\')?;
        if bytes[length] == b'\\' {
            return None;
        }
        self.at = start + length + 1;
        // Strings side by side are one, and a lookup in a string is for the parser to judge.
        (!matches!(self.behind_space(), Some(b'\'' | b'"' | b'.' | b'[' | b'(')))
            .then(|| &self.text[start..start + length])
    }

    /// A number with or without a fraction.
    pub(super) fn number(&mut self) -> Option<()> {
        self.run_of_digits()?;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.run_of_digits()?;
        }
        let goes_on = self.peek().is_some_and(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'[' | b'(')
        });
        (!goes_on).then_some(())
    }

    /// An index: a lookup may follow.
    pub(super) fn whole_number(&mut self) -> Option<()> {
        self.run_of_digits()?;
        let goes_on = self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (!goes_on).then_some(())
    }

    /// So few that they fit any number.
    fn run_of_digits(&mut self) -> Option<()> {
        let length = self.text.as_bytes()[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += length;
        (1..=15).contains(&length).then_some(())
    }
}
