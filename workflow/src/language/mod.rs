//! What an expression or a template refers to, for validation.

mod scan;
mod walk;

use crate::expression::{Shape, check_depth};

/// What a text turned out to contain.
pub(crate) trait Findings {
    /// A variable that is not declared in the text itself, with what is looked up in it.
    fn variable(&mut self, variable: &Variable<'_>);
    /// A filter, test or function that the language does not have.
    fn unknown(&mut self, what: Unknown, name: &str);
    /// A call of a method on a value; values have none.
    fn method(&mut self, name: &str);
    /// A construct of Jinja that the language leaves out, with a sentence.
    fn unsupported(&mut self, message: &'static str);
}

/// What kind of name is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Filter,
    Test,
    Function,
}

/// A use of a variable: `steps.fetch.output.title` is `steps` and three keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Variable<'a> {
    pub(crate) name: &'a str,
    /// The first keys that are looked up; nobody asks for more.
    pub(crate) keys: Keys<'a>,
    pub(crate) guard: Guard,
}

/// Whether the text copes with the value being undefined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    None,
    /// `| default(...)` right behind it.
    Default,
    /// A test such as `is defined`; other uses in the text are then taken to depend on it.
    Test,
}

/// A key that is looked up in a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Key<'a> {
    /// By a name that is written out.
    Name(&'a str),
    /// By a number or something computed.
    Computed,
}

/// The first few keys of a path, in order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Keys<'a> {
    list: [Key<'a>; Keys::MOST],
    count: usize,
}

impl<'a> Keys<'a> {
    const MOST: usize = 4;

    pub(crate) const fn new() -> Keys<'a> {
        Keys {
            list: [Key::Computed; Keys::MOST],
            count: 0,
        }
    }

    pub(crate) fn push(&mut self, key: Key<'a>) {
        if let Some(place) = self.list.get_mut(self.count) {
            *place = key;
            self.count += 1;
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Key<'a>> {
        self.list[..self.count].get(index).copied()
    }
}

/// Why a text cannot be understood at all.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Too long or too deep, with a sentence.
    TooLarge(String),
    /// It does not parse, with what the parser says.
    Syntax(String),
}

/// Finds what a text refers to.
pub(crate) fn analyse(
    text: &str,
    shape: Shape,
    findings: &mut impl Findings,
) -> Result<(), Trouble> {
    if scan::analyse(text, shape, findings).is_some() {
        return Ok(());
    }
    check_depth(text, shape).map_err(Trouble::TooLarge)?;
    walk::analyse(text, shape, findings).map_err(|error| {
        let detail = error.detail().unwrap_or("it does not parse");
        Trouble::Syntax(match error.line() {
            Some(line) if line > 1 => format!("{detail} (line {line})"),
            _ => detail.to_owned(),
        })
    })
}
