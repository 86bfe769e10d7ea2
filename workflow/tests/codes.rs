//! The documentation of the codes.

use std::collections::HashSet;

use workflow::{Code, codes_markdown};

/// To write the file anew: `AIAS_BLESS=1 cargo test -p workflow --test codes`.
#[test]
fn the_documentation_equals_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/CODES.md");
    if std::env::var_os("AIAS_BLESS").is_some() {
        std::fs::write(path, codes_markdown()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        written,
        codes_markdown(),
        "run with AIAS_BLESS=1 to write CODES.md anew"
    );
}

#[test]
fn codes_are_stable_words() {
    let mut seen = HashSet::new();
    for code in Code::ALL {
        let text = code.as_str();
        assert!(
            text.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{text}"
        );
        assert!(seen.insert(text), "{text} is there twice");
        assert_eq!(serde_json::to_value(code).unwrap(), text);
        assert!(
            code.meaning().ends_with('.'),
            "{text} is explained in a sentence"
        );
    }
}
