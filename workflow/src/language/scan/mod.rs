//! A scanner for the expressions that people mostly write: paths, literals, operators, filters
//! with simple arguments. It knows nothing else, and gives up on a text as soon as it meets
//! anything that it does not know for certain; the parser then decides. What it accepts, the
//! parser accepts with the same findings, perhaps in another order: the tests compare the two.
//!
//! It builds no tree, only a short list, which makes validation several times as fast.

mod cursor;
mod expression;
#[cfg(test)]
mod tests;

use super::{Findings, Unknown, Variable};
use crate::expression::Shape;
use crate::limits::MAX_EXPRESSION;
use cursor::Cursor;
use expression::Scan;

/// Tags in one template. A template with more is for the parser.
const MAX_TAGS: usize = 60;
/// What stands around an expression in a tag, at most: braces and white space control.
const TAG: usize = 16;

/// Finds what the text refers to, or `None` when it is not one of the simple kind.
pub(super) fn analyse(text: &str, shape: Shape, findings: &mut impl Findings) -> Option<()> {
    // Reported only when all of it turned out to be simple: nothing may be reported twice.
    let mut found = Vec::new();
    scan(text, shape, &mut found)?;
    for found in &found {
        match found {
            Found::Variable(variable) => findings.variable(variable),
            Found::UnknownFilter(name) => findings.unknown(Unknown::Filter, name),
        }
    }
    Some(())
}

/// What simple expressions may refer to.
enum Found<'a> {
    Variable(Variable<'a>),
    UnknownFilter(&'a str),
}

fn scan<'a>(text: &'a str, shape: Shape, found: &mut Vec<Found<'a>>) -> Option<()> {
    match shape {
        Shape::Expression => {
            if text.len() > MAX_EXPRESSION {
                return None;
            }
            let end = Scan::new(Cursor::new(text, 0), found).expression()?;
            end.is_at_end().then_some(())
        }
        Shape::Template => template(text, found),
    }
}

/// Text with `{{ }}` in it. What else begins with a brace and means something is for the parser.
fn template<'a>(text: &'a str, found: &mut Vec<Found<'a>>) -> Option<()> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut tags = 0;
    while let Some(brace) = bytes.get(at..)?.iter().position(|byte| *byte == b'{') {
        at += brace + 1;
        match bytes.get(at) {
            Some(b'{') => {}
            Some(b'%' | b'#') => return None,
            _ => continue,
        }
        let start = at + 1;
        // White space control: a sign right behind the braces is never an operator.
        let skipped = usize::from(matches!(bytes.get(start), Some(b'-' | b'+')));
        let mut end = Scan::new(Cursor::new(text, start + skipped), found).expression()?;
        at = end.pass_end_of_tag()?;
        tags += 1;
        if at - start > MAX_EXPRESSION - TAG || tags > MAX_TAGS {
            return None;
        }
    }
    Some(())
}
