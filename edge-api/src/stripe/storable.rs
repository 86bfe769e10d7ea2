//! JSON that Postgres can keep.

/// The same JSON with U+FFFD where it has U+0000, which `jsonb` does not have: <https://www.postgresql.org/docs/current/datatype-json.html>.
/// Somebody's metadata may hold one, and an event is not refused for that.
pub fn storable(json: String) -> String {
    const NUL: &str = "\\u0000";
    if !json.contains(NUL) {
        return json;
    }
    let mut storable = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        storable.push_str(before);
        if let Some(after) = escape.strip_prefix(NUL) {
            storable.push_str("\\ufffd");
            rest = after;
        } else {
            // With what it escapes, which may be another backslash.
            let end = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
            storable.push_str(&escape[..end]);
            rest = &escape[end..];
        }
    }
    storable + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_escapes_a_nul_is_replaced() {
        for (json, wanted) in [
            (r#"{"a": "b"}"#, r#"{"a": "b"}"#),
            (r#""\u0000""#, r#""\ufffd""#),
            (r#""x\u0000\u0000y\n""#, r#""x\ufffd\ufffdy\n""#),
            (r#""\\u0000 \u0000""#, r#""\\u0000 \ufffd""#),
            (r#""\\\u0000""#, r#""\\\ufffd""#),
            ("\\u0000\\", "\\ufffd\\"),
            ("\\u0000\\ü", "\\ufffd\\ü"),
        ] {
            assert_eq!(storable(json.to_owned()), wanted, "{json}");
        }
    }
}
