//! The `pattern`s that our schemas use, each matched by hand: a regular expression engine would
//! cost more than all the rest of validation. A test compares each with the real expression.

/// A matcher for one pattern text.
pub(crate) type Matcher = fn(&str) -> bool;

/// Pattern text, matcher, and what to tell the author.
pub(crate) const PATTERNS: &[(&str, Matcher, &str)] = &[
    (
        "^(https?://|\\{\\{)",
        is_url,
        "must begin with http://, https:// or a template",
    ),
    (
        "^\\s*\\{\\{",
        is_template,
        "must be a number or a template that gives one",
    ),
    (
        "^[\\s]*\\{\\{",
        is_template,
        "must be a list or a template that gives one",
    ),
    (
        "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        is_uuid,
        "must be a UUID",
    ),
    (
        "^[a-z0-9_-]+/\\S+$",
        is_model,
        "must be provider/model, such as openai/gpt-4o-mini",
    ),
    (
        "^[a-z_][a-z0-9_]*(\\.[a-z_][a-z0-9_]*)?$",
        is_table,
        "must be the name of a table, with or without its schema",
    ),
];

fn is_url(text: &str) -> bool {
    ["http://", "https://", "{{"]
        .iter()
        .any(|start| text.starts_with(start))
}

fn is_template(text: &str) -> bool {
    text.trim_start().starts_with("{{")
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_model(text: &str) -> bool {
    let Some((provider, model)) = text.split_once('/') else {
        return false;
    };
    !provider.is_empty()
        && provider
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
        && !model.is_empty()
        && !model.contains(char::is_whitespace)
}

fn is_table(text: &str) -> bool {
    fn is_name(text: &str) -> bool {
        text.bytes().enumerate().all(|(index, byte)| {
            matches!(byte, b'a'..=b'z' | b'_') || (index > 0 && byte.is_ascii_digit())
        }) && !text.is_empty()
    }
    match text.split_once('.') {
        Some((schema, table)) => is_name(schema) && is_name(table),
        None => is_name(text),
    }
}
