//! The one place that says what the language contains.

use std::sync::LazyLock;

use super::json::{Budget, to_json};
use super::lenient::{PATH_FILTER, path};
use super::weight::{FILTER, TEST, WEIGH, filter, test, weigh};
use minijinja::filters;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
    escape_formatter,
};

/// Work that rendering one string may cost. One unit pays for one instruction or about 64 bytes,
/// so this bounds a rendered string to 16 MB and some tenths of a second.
const FUEL: u64 = 250_000;

/// Work that rendering one whole config may cost.
pub(super) const RENDER_FUEL: u64 = 1_000_000;

/// Functions that expressions may call. `debug` is left out, since it prints the whole scope, and
/// so is `namespace`, since a loop could nest values in one until dropping them overflows the
/// stack.
pub(crate) const FUNCTIONS: &[&str] = &["dict", "range"];

/// What can be called on `loop` inside of a loop.
pub(crate) const LOOP_METHODS: &[&str] = &["changed", "cycle"];

/// How deeply blocks and recursive loops may nest while rendering; minijinja's own limit allows
/// more than a thread with a small stack can bear.
const MAX_NESTING: usize = 64;

/// A new environment with the rules of the language.
fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_auto_escape_callback(|_| AutoEscape::None);
    // Gives errors the path that was undefined.
    env.set_debug(true);
    env.set_formatter(write);
    env.remove_global("debug");
    env.remove_global("namespace");
    env.set_recursion_limit(MAX_NESTING);
    env.add_filter(PATH_FILTER, path);
    env.add_filter("sum", sum);
    env.add_filter(WEIGH, weigh);
    env.add_filter(FILTER, filter);
    env.add_test(TEST, test);
    env
}

/// minijinja's `sum`, of numbers only: it also joins lists, in a time that grows with the square of
/// their number and that no fuel is charged for.
fn sum(
    state: &State<'_, '_>,
    values: Value,
    attribute: Option<&str>,
    start: Option<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let named = kwargs.peek::<Option<Value>>("start")?;
    if [&start, &named]
        .into_iter()
        .flatten()
        .any(|start| !start.is_number())
    {
        let detail = "the start of a sum must be a number";
        return Err(Error::new(ErrorKind::InvalidOperation, detail));
    }
    filters::sum(state, values, attribute, start, kwargs)
}

/// Writes a value into a text: what JSON has a word for, as JSON. Left alone, minijinja would write
/// `True`, `None` and `{'a': 1}`, which no other system reads.
fn write(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None
        | ValueKind::Bool
        | ValueKind::Seq
        | ValueKind::Map
        | ValueKind::Iterable => {
            let json = to_json(value, &mut Budget::new())
                .map_err(|error| Error::new(ErrorKind::BadSerialization, error.message))?;
            out.write_str(&json.to_string())?;
            Ok(())
        }
        _ => escape_formatter(out, state, value),
    }
}

/// The one environment: it holds no template, and so never changes.
pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// Whether the language has a filter of this name.
pub(crate) fn is_filter(name: &str) -> bool {
    FILTERS.binary_search(&name).is_ok()
}

/// Whether the language has a test (`is ...`) of this name.
pub(crate) fn is_test(name: &str) -> bool {
    TESTS.binary_search(&name).is_ok()
}

/// Sorted; a test compares it with what minijinja says.
pub(crate) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// Sorted; a test compares it with what minijinja says.
pub(crate) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_filter_and_test_exists_and_no_other_is_missing_from_the_lists() {
        assert!(FILTERS.is_sorted() && TESTS.is_sorted());
        let env = environment();
        let knows = |kind: &str, name: &str| {
            env.compile_expression_owned(format!("'{name}' is {kind}"))
                .and_then(|e| e.eval(()))
                .map(|v| v.is_true())
        };
        for name in FILTERS {
            assert!(knows("filter", name).unwrap(), "filter {name}");
        }
        for name in TESTS {
            assert!(knows("test", name).unwrap(), "test {name}");
        }
        // minijinja does not list its filters, so every name in its documentation that could be
        // one is tried.
        for name in [
            "urlencode",
            "tojson",
            "wordcount",
            "xmlattr",
            "striptags",
            "truncate",
        ] {
            assert_eq!(knows("filter", name).unwrap(), is_filter(name), "{name}");
        }
        let mut functions: Vec<_> = env.globals().map(|(name, _)| name.to_owned()).collect();
        functions.sort();
        assert_eq!(functions, FUNCTIONS);
    }
}
