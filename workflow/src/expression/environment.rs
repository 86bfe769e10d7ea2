//! The one place that says what the language contains.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};

/// Work that rendering one string may cost. One unit pays for one instruction or about 64 bytes,
/// so this bounds a rendered string to about 6 MB and a few milliseconds.
pub(crate) const FUEL: u64 = 100_000;

/// Functions that expressions may call. `debug` is left out: it would print the whole scope.
pub(crate) const FUNCTIONS: &[&str] = &["dict", "namespace", "range"];

/// A new environment with the rules of the language.
pub(crate) fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_auto_reload(false);
    // Gives errors the path that was undefined.
    env.set_debug(true);
    env.remove_global("debug");
    env
}

/// Expressions are compiled against this one, so that they can be kept without borrowing from
/// an engine.
pub(crate) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

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
