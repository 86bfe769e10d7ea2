//! Addresses: a path and a query, encoded as a client would, and the parts of a filter quoted as PostgREST reads them.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

/// What would end a part of a query. The rest is PostgREST's own grammar and stays legible.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'=')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

#[derive(Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.push((key.into(), value.into()));
    }

    /// `/path?key=value&…`, or the path alone.
    pub fn after(&self, path: &str) -> String {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(key, value)| {
                format!(
                    "{}={}",
                    utf8_percent_encode(key, QUERY),
                    utf8_percent_encode(value, QUERY)
                )
            })
            .collect();
        match pairs.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{}", pairs.join("&")),
        }
    }
}

/// A value as a filter says it: text bare, an array in braces, anything else as JSON.
pub fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            let items: Vec<String> = items.iter().map(bare).collect();
            format!("{{{}}}", items.join(","))
        }
        other => other.to_string(),
    }
}

/// A value in a list or a logic tree, where commas and brackets mean something.
pub fn quoted(text: &str) -> String {
    let is_plain = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_*%@/".contains(&byte));
    match is_plain {
        true => text.to_owned(),
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Query, bare, quoted};

    #[test]
    fn an_address_keeps_postgrests_grammar_and_hides_what_would_break_it() {
        let mut query = Query::default();
        query.add("or", "(a.eq.1,b.in.(\"x,y\",z))");
        query.add("name", "eq.a&b=c");
        assert_eq!(
            query.after("/t"),
            "/t?or=(a.eq.1,b.in.(%22x,y%22,z))&name=eq.a%26b%3Dc"
        );
        assert_eq!(Query::default().after("/t"), "/t");
    }

    #[test]
    fn values_are_written_as_postgrest_reads_them() {
        assert_eq!(bare(&json!(["a", "b"])), "{a,b}");
        assert_eq!(bare(&json!({"a": 1})), r#"{"a":1}"#);
        assert_eq!(quoted("a-b_c"), "a-b_c");
        assert_eq!(quoted(r#"a,"b""#), r#""a,\"b\"""#);
    }
}
