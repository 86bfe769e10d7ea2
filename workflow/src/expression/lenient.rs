//! Makes `default` and `is defined` work along a whole path.
//!
//! In minijinja `a.b.c | default(1)` fails when `a.b` is undefined, since only the last lookup may
//! come to nothing. Authors who give a default mean the whole path, so such a path is rewritten,
//! before it is compiled, to one filter that looks up all its keys and stops at what is missing:
//! `(a|__path('b','c')) | default(1)`.

use std::borrow::Cow;

use minijinja::Value;
use minijinja::machinery::{Token, Tokenizer};
use minijinja::value::Rest;

use super::Shape;
use super::context::Steps;

/// The filter's name. No author can know it; validation would refuse it.
pub(super) const PATH_FILTER: &str = "__path";

/// The filter: looks up one key after the other; undefined as soon as one is missing.
pub(super) fn path(value: &Value, keys: Rest<Value>) -> Value {
    let mut at = value.clone();
    for key in keys.iter() {
        // A skipped step answers for its status, but here it is not defined.
        let next = match (at.downcast_object_ref::<Steps>(), key.as_str()) {
            (Some(steps), Some(id)) => steps.get(id),
            _ => at.get_item(key).ok(),
        };
        match next {
            Some(next) if !next.is_undefined() => at = next,
            _ => return Value::UNDEFINED,
        }
    }
    at
}

/// The source with its guarded paths rewritten.
pub(super) fn lenient(source: &str, shape: Shape) -> Cow<'_, str> {
    // Most sources have no guard, and are not worth a look at their tokens.
    if !["default", "|d", "| d", "is"]
        .iter()
        .any(|word| source.contains(word))
    {
        return Cow::Borrowed(source);
    }
    let mut tokens = Tokens::new(source, shape);
    let mut rewritten = String::new();
    let mut done = 0;
    let mut may_start = true;
    while let Some((token, span)) = tokens.next() {
        let starts_path = may_start && matches!(token, Token::Ident(_));
        may_start = !matches!(token, Token::Dot | Token::Pipe | Token::Ident("is"));
        if !starts_path {
            continue;
        }
        let Some(path) = tokens.rest_of_path(source, span) else {
            continue;
        };
        rewritten.push_str(&source[done..path.start]);
        rewritten.push_str(&path.rewritten);
        done = path.end;
    }
    if done == 0 {
        return Cow::Borrowed(source);
    }
    rewritten.push_str(&source[done..]);
    Cow::Owned(rewritten)
}

type Spanned<'a> = (Token<'a>, (usize, usize));

/// Tokens with a look ahead; ends at the first that cannot be read.
struct Tokens<'a> {
    tokenizer: Tokenizer<'a>,
    ahead: Vec<Spanned<'a>>,
}

struct GuardedPath {
    start: usize,
    end: usize,
    rewritten: String,
}

impl<'a> Tokens<'a> {
    fn new(source: &'a str, shape: Shape) -> Tokens<'a> {
        let in_expression = shape == Shape::Expression;
        Tokens {
            tokenizer: Tokenizer::new(source, "", in_expression, Default::default()),
            ahead: Vec::new(),
        }
    }

    fn next(&mut self) -> Option<Spanned<'a>> {
        if !self.ahead.is_empty() {
            return Some(self.ahead.remove(0));
        }
        match self.tokenizer.next_token() {
            Ok(Some((token, span))) => Some((
                token,
                (span.start_offset as usize, span.end_offset as usize),
            )),
            _ => None,
        }
    }

    fn peek(&mut self, index: usize) -> Option<&Token<'a>> {
        while self.ahead.len() <= index {
            match self.tokenizer.next_token() {
                Ok(Some((token, span))) => self.ahead.push((
                    token,
                    (span.start_offset as usize, span.end_offset as usize),
                )),
                _ => return None,
            }
        }
        self.ahead.get(index).map(|(token, _)| token)
    }

    /// Behind the first name of a path: the keys and the guard, if this is a guarded path of at
    /// least one key. Nothing is consumed otherwise.
    fn rest_of_path(&mut self, source: &str, first: (usize, usize)) -> Option<GuardedPath> {
        let mut keys = String::new();
        let mut at = 0;
        loop {
            match self.peek(at) {
                Some(Token::Dot) => match self.peek(at + 1) {
                    Some(Token::Ident(name)) => {
                        keys.push_str(&format!(",'{name}'"));
                        at += 2;
                    }
                    Some(Token::Int(index)) => {
                        keys.push_str(&format!(",{index}"));
                        at += 2;
                    }
                    _ => return None,
                },
                Some(Token::BracketOpen) => {
                    match self.peek(at + 1) {
                        Some(Token::Str(_) | Token::String(_) | Token::Int(_)) => {}
                        _ => return None,
                    }
                    match self.peek(at + 2) {
                        Some(Token::BracketClose) => {}
                        _ => return None,
                    }
                    let (_, (start, end)) = self.ahead[at + 1];
                    keys.push(',');
                    keys.push_str(&source[start..end]);
                    at += 3;
                }
                _ => break,
            }
        }
        if at == 0 || !self.is_guard(at) {
            return None;
        }
        let (_, (_, end)) = self.ahead[at - 1];
        self.ahead.drain(..at);
        let name = &source[first.0..first.1];
        Some(GuardedPath {
            start: first.0,
            end,
            rewritten: format!("({name}|{PATH_FILTER}({}))", &keys[1..]),
        })
    }

    fn is_guard(&mut self, at: usize) -> bool {
        match self.peek(at) {
            Some(Token::Pipe) => {
                matches!(self.peek(at + 1), Some(Token::Ident("default" | "d")))
            }
            Some(Token::Ident("is")) => {
                let test = match self.peek(at + 1) {
                    Some(Token::Ident("not")) => at + 2,
                    _ => at + 1,
                };
                matches!(
                    self.peek(test),
                    Some(Token::Ident("defined" | "undefined" | "none"))
                )
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guarded_paths_are_rewritten_and_nothing_else() {
        let same = |source: &str| assert_eq!(lenient(source, Shape::Expression), source);
        same("a.b.c | upper");
        same("a | default(1)");
        same("a.b() | default(1)");
        same("a[b] is defined");
        same("'a.b is defined'");
        same("f(x).b | default(1)");
        same("a.b is divisibleby(3)");
        same("a.b |");
        for (source, expected) in [
            ("a.b.c|default(1)", "(a|__path('b','c'))|default(1)"),
            ("-a['b'].0[1] | d", "-(a|__path('b',0,1)) | d"),
            (
                "x and a.b is not defined",
                "x and (a|__path('b')) is not defined",
            ),
            (
                "a.b|default(c.d|default(2))",
                "(a|__path('b'))|default((c|__path('d'))|default(2))",
            ),
        ] {
            assert_eq!(lenient(source, Shape::Expression), expected);
        }
        assert_eq!(
            lenient("a.b is defined {{ a.b is defined }}", Shape::Template),
            "a.b is defined {{ (a|__path('b')) is defined }}"
        );
    }
}
