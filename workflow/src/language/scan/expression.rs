//! The grammar of simple expressions.

use super::Found;
use super::cursor::Cursor;
use crate::expression::{FUNCTIONS, is_filter};
use crate::language::{Guard, Key, Keys, Variable};

/// Operators, lookups, filters and brackets in one expression. Each makes a tree at most two levels
/// deeper, so this is well below what the parser may be given, and depth needs no other check.
const MAX_STEPS: usize = 60;

/// Reads one expression.
pub(super) struct Scan<'a, 'f> {
    cursor: Cursor<'a>,
    steps: usize,
    found: &'f mut Vec<Found<'a>>,
}

/// What stands behind an operand.
enum Operator {
    End,
    Logic,
    Other,
}

impl<'a, 'f> Scan<'a, 'f> {
    pub(super) fn new(cursor: Cursor<'a>, found: &'f mut Vec<Found<'a>>) -> Self {
        Scan {
            cursor,
            steps: 0,
            found,
        }
    }

    /// Operands with operators between them, up to the end of the tag or of the text. How they bind
    /// does not matter for what they refer to.
    pub(super) fn expression(mut self) -> Option<Cursor<'a>> {
        let mut may_negate = true;
        loop {
            self.cursor.skip_space();
            if may_negate && self.cursor.word() == Some("not") {
                self.cursor.skip(3);
                self.step()?;
                continue;
            }
            let ends_with_test = self.operand()?;
            self.cursor.skip_space();
            may_negate = match self.operator(ends_with_test)? {
                Operator::End => return Some(self.cursor),
                Operator::Logic => true,
                Operator::Other => false,
            };
            self.step()?;
        }
    }

    fn step(&mut self) -> Option<()> {
        self.steps += 1;
        (self.steps <= MAX_STEPS).then_some(())
    }

    fn operator(&mut self, behind_test: bool) -> Option<Operator> {
        let Some(byte) = self.cursor.peek() else {
            return Some(Operator::End);
        };
        if self.cursor.is_end_of_tag() {
            return Some(Operator::End);
        }
        let length = match (byte, self.cursor.peek_at(1)) {
            (b'=' | b'!' | b'<' | b'>', Some(b'=')) => 2,
            (b'<' | b'>' | b'~', _) => 1,
            (b'*', other) if other != Some(b'*') => 1,
            (b'/', other) if other != Some(b'/') => 1,
            // Behind a test, these would begin its argument.
            (b'+' | b'-', _) if !behind_test => 1,
            _ => return self.word_operator(behind_test),
        };
        self.cursor.skip(length);
        Some(Operator::Other)
    }

    fn word_operator(&mut self, behind_test: bool) -> Option<Operator> {
        let (length, operator) = match self.cursor.word()? {
            "and" => (3, Operator::Logic),
            "or" => (2, Operator::Logic),
            "in" if !behind_test => (2, Operator::Other),
            _ => return None,
        };
        self.cursor.skip(length);
        Some(operator)
    }

    /// A path or a literal, with its filters and tests; whether a test is the last of them.
    fn operand(&mut self) -> Option<bool> {
        if self.cursor.peek() == Some(b'-') {
            // Only in front of a number, and without a filter: those apply to the negated value.
            self.cursor.skip(1);
            self.cursor.number()?;
            self.cursor.skip_space();
            let is_alone = self.cursor.peek() != Some(b'|') && self.cursor.word() != Some("is");
            return is_alone.then_some(false);
        }
        let mut value = self.simple()?;
        let mut ends_with_test = false;
        loop {
            self.cursor.skip_space();
            if self.cursor.peek() == Some(b'|') {
                self.cursor.skip(1);
                self.step()?;
                self.filter(value.take())?;
                ends_with_test = false;
            } else if self.cursor.word() == Some("is") {
                self.cursor.skip(2);
                self.step()?;
                self.test(value.take())?;
                ends_with_test = true;
            } else {
                self.report(value, Guard::None);
                return Some(ends_with_test);
            }
        }
    }

    fn filter(&mut self, value: Option<Variable<'a>>) -> Option<()> {
        self.cursor.skip_space();
        let name = self.cursor.word()?;
        self.cursor.skip(name.len());
        // The name of a filter may have dots, though none of ours does.
        if self.cursor.behind_space() == Some(b'.') {
            return None;
        }
        if !is_filter(name) {
            self.found.push(Found::UnknownFilter(name));
        }
        let guard = match name {
            "default" | "d" => Guard::Default,
            _ => Guard::None,
        };
        self.report(value, guard);
        if self.cursor.behind_space() == Some(b'(') {
            self.cursor.skip_space();
            self.cursor.skip(1);
            self.step()?;
            self.arguments()?;
        }
        Some(())
    }

    fn test(&mut self, value: Option<Variable<'a>>) -> Option<()> {
        self.cursor.skip_space();
        let mut name = self.cursor.word()?;
        if name == "not" {
            self.cursor.skip(3);
            self.cursor.skip_space();
            name = self.cursor.word()?;
        }
        let guard = match name {
            "defined" | "undefined" | "none" => Guard::Test,
            "true" | "false" | "string" | "number" | "boolean" | "mapping" | "sequence" | "odd"
            | "even" => Guard::None,
            _ => return None,
        };
        self.cursor.skip(name.len());
        self.report(value, guard);
        self.cursor.skip_space();
        match self.cursor.peek() {
            // What may follow without being taken as the test's argument.
            None | Some(b'}' | b'|' | b'=' | b'!' | b'<' | b'>') => Some(()),
            Some(b'-' | b'+') if self.cursor.is_end_of_tag() => Some(()),
            _ => matches!(self.cursor.word()?, "and" | "or").then_some(()),
        }
    }

    /// Paths and literals, the last of them perhaps named, up to the closing bracket.
    fn arguments(&mut self) -> Option<()> {
        if self.cursor.behind_space() == Some(b')') {
            self.cursor.skip_space();
            self.cursor.skip(1);
            return Some(());
        }
        let mut has_named = false;
        loop {
            self.cursor.skip_space();
            if self.pass_argument_name() {
                has_named = true;
                self.cursor.skip_space();
            } else if has_named {
                return None;
            }
            let value = self.simple()?;
            self.report(value, Guard::None);
            self.step()?;
            self.cursor.skip_space();
            match self.cursor.peek()? {
                b',' => self.cursor.skip(1),
                b')' => {
                    self.cursor.skip(1);
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// `name=`, if that is what stands here.
    fn pass_argument_name(&mut self) -> bool {
        let mut cursor = self.cursor;
        let Some(name) = cursor.word() else {
            return false;
        };
        cursor.skip(name.len());
        cursor.skip_space();
        let is_named = cursor.peek() == Some(b'=')
            && cursor.peek_at(1) != Some(b'=')
            && !is_reserved(name)
            && !is_constant(name);
        if is_named {
            cursor.skip(1);
            self.cursor = cursor;
        }
        is_named
    }

    fn report(&mut self, value: Option<Variable<'a>>, guard: Guard) {
        if let Some(value) = value {
            self.found
                .push(Found::Variable(Variable { guard, ..value }));
        }
    }

    /// A path, which is a variable, or a literal, which is none.
    #[expect(clippy::option_option, reason = "giving up, and a literal")]
    fn simple(&mut self) -> Option<Option<Variable<'a>>> {
        match self.cursor.peek()? {
            b'\'' | b'"' => return self.cursor.string().map(|_| None),
            b'0'..=b'9' => return self.cursor.number().map(|()| None),
            _ => {}
        }
        let name = self.cursor.word()?;
        self.cursor.skip(name.len());
        if is_constant(name) {
            // A lookup in a literal is for the parser to judge.
            let is_alone = !matches!(self.cursor.peek(), Some(b'.' | b'[' | b'('));
            return is_alone.then_some(None);
        }
        // And so is what is called.
        if is_reserved(name) || FUNCTIONS.contains(&name) {
            return None;
        }
        self.path(name).map(Some)
    }

    fn path(&mut self, name: &'a str) -> Option<Variable<'a>> {
        let mut keys = Keys::new();
        loop {
            match self.cursor.peek() {
                Some(b'.') => {
                    self.cursor.skip(1);
                    keys.push(self.key_behind_dot()?);
                }
                Some(b'[') => {
                    self.cursor.skip(1);
                    keys.push(self.key_in_brackets()?);
                }
                _ => break,
            }
            self.step()?;
        }
        // A call, or a lookup behind white space.
        let goes_on = matches!(self.cursor.behind_space(), Some(b'.' | b'[' | b'('));
        (!goes_on).then_some(Variable {
            name,
            keys,
            guard: Guard::None,
        })
    }

    fn key_behind_dot(&mut self) -> Option<Key<'a>> {
        if self.cursor.peek()?.is_ascii_digit() {
            self.cursor.whole_number()?;
            return Some(Key::Computed);
        }
        let key = self.cursor.word()?;
        self.cursor.skip(key.len());
        Some(Key::Name(key))
    }

    fn key_in_brackets(&mut self) -> Option<Key<'a>> {
        self.cursor.skip_space();
        let key = match self.cursor.peek()? {
            b'\'' | b'"' => Key::Name(self.cursor.string()?),
            _ => {
                self.cursor.whole_number()?;
                Key::Computed
            }
        };
        self.cursor.skip_space();
        if self.cursor.peek() != Some(b']') {
            return None;
        }
        self.cursor.skip(1);
        Some(key)
    }
}

/// Words with a meaning of their own where an operand could stand.
fn is_reserved(name: &str) -> bool {
    matches!(name, "not" | "and" | "or" | "if" | "else" | "is" | "in")
}

fn is_constant(name: &str) -> bool {
    matches!(name, "true" | "false" | "none" | "True" | "False" | "None")
}
