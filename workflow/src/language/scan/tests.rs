//! The scanner beside the parser, on texts that look like templates and on such that hardly do.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::{MAX_TAGS, analyse};
use crate::expression::{Shape, check_depth};
use crate::language::{Findings, Unknown, Variable, walk};
use crate::limits::MAX_EXPRESSION;

/// What was found, written out and sorted: the order says nothing.
#[derive(Default)]
struct Found(Vec<String>);

impl Findings for Found {
    fn variable(&mut self, variable: &Variable<'_>) {
        self.0.push(format!("{variable:?}"));
    }

    fn unknown(&mut self, what: Unknown, name: &str) {
        self.0.push(format!("unknown {what:?} {name}"));
    }

    fn method(&mut self, name: &str) {
        self.0.push(format!("method {name}"));
    }

    fn unsupported(&mut self, message: &'static str) {
        self.0.push(message.to_owned());
    }
}

fn scanned(text: &str, shape: Shape) -> Option<Vec<String>> {
    let mut found = Found::default();
    analyse(text, shape, &mut found)?;
    found.0.sort();
    Some(found.0)
}

fn parsed(text: &str, shape: Shape) -> Result<Vec<String>, String> {
    check_depth(text, shape)?;
    let mut found = Found::default();
    walk::analyse(text, shape, &mut found).map_err(|error| error.to_string())?;
    found.0.sort();
    Ok(found.0)
}

/// Whether the scanner took the text; what it takes has to be what the parser finds.
fn took(text: &str, shape: Shape) -> bool {
    let Some(scanned) = scanned(text, shape) else {
        return false;
    };
    assert_eq!(Ok(scanned), parsed(text, shape), "{shape:?} {text:?}");
    true
}

#[test]
fn what_people_write_needs_no_parser() {
    for text in [
        "input",
        "input.a.b[0]['c'].1.2",
        "steps.fetch.output.status == 200 and not input.dry_run",
        "steps['fetch-it'].output.body | length > 3 or input.x is defined",
        "input.name | default('nobody') | trim | upper ~ '!'",
        "input.list | join(', ') | replace(\"a\", 'b') == none",
        "input.rows | map(attribute='id') | list | length >= -1.5",
        "not not input.a is not none and 'x' in input.b",
        "1 + 2 * 3 - 4 / 5",
        "\n\tinput \r\n",
    ] {
        assert!(took(text, Shape::Expression), "{text}");
    }
    for text in [
        "no { braces } at all }}",
        "{{ input.a }}",
        "Dear {{ input.name | default('friend') }},\n{{- input.text -}}\n{{+ now +}} {{-1}}",
        "{{ steps.a.output.b is defined }} {{ nobody | nofilter }}",
        "héllo {{ input['ключ'] }} 🦀",
    ] {
        assert!(took(text, Shape::Template), "{text}");
    }
}

#[test]
fn limits_are_the_parsers_to_judge() {
    let long = |count: usize| format!("{}x", "\t".repeat(count - 1));
    assert!(took(&long(MAX_EXPRESSION), Shape::Expression));
    assert!(!took(&long(MAX_EXPRESSION + 1), Shape::Expression));
    for count in MAX_EXPRESSION - 40..MAX_EXPRESSION + 8 {
        took(&format!("{{{{{}-}}}}", long(count)), Shape::Template);
    }
    assert!(took(&"{{a}}".repeat(MAX_TAGS), Shape::Template));
    assert!(!took(&"{{a}}".repeat(MAX_TAGS + 1), Shape::Template));
    for piece in [
        "|d()",
        "|not()",
        "|not",
        ".not",
        "[0]",
        " is not none",
        " + -1",
        "|d(a.not)",
        "['not']",
        " and not not a",
    ] {
        for count in 1..200 {
            took(&format!("a{}", piece.repeat(count)), Shape::Expression);
        }
    }
    took(&format!("{}a", "not ".repeat(300)), Shape::Expression);
}

/// Pieces that simple expressions are made of, and some that they are not.
const PIECES: &[&str] = &[
    "a",
    "b.c",
    "steps.x.output",
    "loop",
    "self",
    "range",
    "dict",
    "x_1",
    "_",
    "true",
    "None",
    "none",
    "False",
    "not",
    "and",
    "or",
    "if",
    "else",
    "is",
    "in",
    "is defined",
    "is not none",
    "is odd",
    "is string",
    "is divisibleby 3",
    "is eq(1)",
    "defined",
    "default",
    "| default(1)",
    "|d",
    "| upper",
    "| join(', ')",
    "| map(attribute='x')",
    "| nope",
    "|f(a=1, b)",
    "| a.b",
    "| replace(a, \"b\")",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "-",
    "+",
    "*",
    "**",
    "/",
    "//",
    "%",
    "~",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "=",
    ".",
    ",",
    ":",
    "|",
    "0",
    "1",
    "2.5",
    "1.",
    ".5",
    "1e3",
    "0x1f",
    "1_0",
    "007",
    "12345678901234567",
    "'s'",
    "\"s\"",
    "'a\\'b'",
    "'",
    "\"",
    "''",
    "['k']",
    "[0]",
    "[ 1 ]",
    "[-1]",
    "[a]",
    "[1:2]",
    ".0",
    ".1.2",
    ".k",
    ".not",
    "()",
    "(1)",
    "\n",
    "\r\n",
    "\u{c}",
    "\u{a0}",
    "\0",
    "é",
    "🦀",
    "!",
    "&",
    "^",
    "\\",
    "-}}",
    "{{-",
    "{{ a }}",
    "{{a|b}}",
    "{{ 'x' }}",
    " text ",
];

/// Pieces with or without white space between them.
fn soup() -> impl Strategy<Value = String> {
    let piece = (select(PIECES), select(&["", " ", " ", "  "][..]));
    prop::collection::vec(piece, 0..12).prop_map(|pieces| {
        pieces
            .iter()
            .flat_map(|(piece, gap)| [*piece, *gap])
            .collect()
    })
}

/// Sound expressions, as a rule.
fn sound() -> impl Strategy<Value = String> {
    let operand = select(
        &[
            "a",
            "b.c[0]",
            "steps.x.output['k']",
            "'s'",
            "1.5",
            "-2",
            "true",
            "now",
            "not a",
        ][..],
    );
    let suffix = select(
        &[
            "",
            "",
            " | trim",
            "|d",
            " | default('x') | upper",
            " is defined",
            " is not none",
            "|zap(1)",
        ][..],
    );
    let operator = select(
        &[
            " and ", " or ", " == ", "<", " ~ ", " + ", "-", " in ", "*", " / ",
        ][..],
    );
    prop::collection::vec((operand, suffix, operator), 1..6).prop_map(|parts| {
        let mut text = String::new();
        for (index, (operand, suffix, operator)) in parts.iter().enumerate() {
            if index > 0 {
                text.push_str(operator);
            }
            text.push_str(operand);
            text.push_str(suffix);
        }
        text
    })
}

/// Runs the comparison on many texts, of which at least one in so many must be simple: otherwise
/// nothing would have been compared.
fn compare(texts: impl Strategy<Value = String>, cases: u32, one_in: u32) {
    let (simple, all) = (Cell::new(0), Cell::new(0));
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&texts, |text| {
            let template = format!("x{{{{{text}}}}}y{text}");
            for (text, shape) in [
                (text.as_str(), Shape::Expression),
                (text.as_str(), Shape::Template),
                (template.as_str(), Shape::Template),
            ] {
                all.set(all.get() + 1);
                simple.set(simple.get() + u32::from(took(text, shape)));
            }
            Ok(())
        })
        .unwrap();
    let (simple, all) = (simple.get(), all.get());
    assert!(simple * one_in > all, "only {simple} of {all} were simple");
}

#[test]
fn what_is_mostly_sound_is_found_alike() {
    compare(sound(), 20_000, 2);
}

#[test]
fn what_is_mostly_nonsense_is_found_alike() {
    compare(soup(), 30_000, 12);
}

#[test]
fn what_is_mistyped_is_found_alike() {
    let mistyped = (sound(), 0..80_usize, select(PIECES)).prop_map(|(mut text, at, piece)| {
        let at = at % (text.len() + 1);
        text.insert_str(at, piece);
        text
    });
    compare(mistyped, 20_000, 12);
}
