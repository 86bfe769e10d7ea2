//! Cutting a migration into its statements, as the Supabase CLI does when it records one.

/// The statements of a file, trimmed, without the semicolon that ends each, empty ones left out.
///
/// A semicolon ends a statement unless it stands in a string, a quoted name, a dollar-quoted body, a comment, or between
/// `begin atomic` and its `end`. Comments stay with the statement that they stand before.
pub fn split(sql: &str) -> Vec<String> {
    let mut scanner = Scanner {
        rest: sql,
        taken: 0,
    };
    let mut statements = Vec::new();
    let mut start = 0;
    let mut words = AtomicBlock::default();
    while let Some(token) = scanner.next_token() {
        match token {
            Token::Word(word) => words.saw(word),
            Token::Semicolon if !words.is_open() => {
                push_trimmed(&mut statements, &sql[start..scanner.taken]);
                start = scanner.taken;
                words = AtomicBlock::default();
            }
            Token::Semicolon | Token::Other => {}
        }
    }
    push_trimmed(&mut statements, &sql[start..]);
    statements
}

/// The same text whatever the spacing, for comparing a file with what was recorded of it: tools differ in what they trim.
pub fn fingerprint<'a>(statements: impl IntoIterator<Item = &'a str>) -> String {
    let mut all = String::new();
    for statement in statements {
        all.extend(
            statement
                .chars()
                .filter(|character| !character.is_whitespace() && *character != ';'),
        );
    }
    all
}

fn push_trimmed(statements: &mut Vec<String>, text: &str) {
    let text = text.trim().trim_end_matches(';').trim();
    if !text.is_empty() {
        statements.push(text.to_owned());
    }
}

/// Follows `begin atomic … end`, in which `case … end` may be nested.
#[derive(Default)]
struct AtomicBlock {
    depth: u32,
    after_begin: bool,
}

impl AtomicBlock {
    fn saw(&mut self, word: &str) {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if self.after_begin && is("atomic") || self.is_open() && is("case") {
            self.depth += 1;
        } else if self.is_open() && is("end") {
            self.depth -= 1;
        }
        self.after_begin = is("begin");
    }

    fn is_open(&self) -> bool {
        self.depth > 0
    }
}

enum Token<'a> {
    Word(&'a str),
    Semicolon,
    /// Space, comments, strings, numbers, operators.
    Other,
}

struct Scanner<'a> {
    rest: &'a str,
    /// Bytes that were read so far.
    taken: usize,
}

impl<'a> Scanner<'a> {
    fn next_token(&mut self) -> Option<Token<'a>> {
        let rest = self.rest;
        let first = rest.chars().next()?;
        let token = if rest.starts_with("--") {
            self.take(rest.find('\n').unwrap_or(rest.len()));
            Token::Other
        } else if rest.starts_with("/*") {
            self.take(comment_length(rest));
            Token::Other
        } else if first == '\'' || first == '"' {
            self.take(quoted_length(rest, first, false));
            Token::Other
        } else if (first == 'e' || first == 'E') && rest[1..].starts_with('\'') {
            self.take(1 + quoted_length(&rest[1..], '\'', true));
            Token::Other
        } else if let Some(length) = dollar_quoted_length(rest) {
            self.take(length);
            Token::Other
        } else if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                .unwrap_or(rest.len());
            self.take(length);
            Token::Word(&rest[..length])
        } else {
            self.take(first.len_utf8());
            if first == ';' {
                Token::Semicolon
            } else {
                Token::Other
            }
        };
        Some(token)
    }

    fn take(&mut self, length: usize) {
        self.rest = &self.rest[length..];
        self.taken += length;
    }
}

/// Comments of this kind nest.
fn comment_length(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// A doubled quote stands for itself, which reads as one string after another and comes to the same end.
fn quoted_length(text: &str, quote: char, backslash_escapes: bool) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if backslash_escapes && character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + quote.len_utf8();
        }
    }
    text.len()
}

fn dollar_quoted_length(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('$')?;
    let tag_length = inner.find('$')?;
    let tag = &inner[..tag_length];
    let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !tag.starts_with(|c: char| c.is_ascii_digit());
    if !is_tag {
        return None;
    }
    let delimiter = &text[..tag_length + 2];
    let body = &text[delimiter.len()..];
    Some(
        body.find(delimiter)
            .map_or(text.len(), |end| delimiter.len() + end + delimiter.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::{fingerprint, split};

    #[test]
    fn semicolons_inside_quotes_and_comments_end_nothing() {
        let sql = "select ';', \"a;b\", $$ ; $$, $x$ ; $$ ; $x$ -- ;\n /* ; /* ; */ ; */ ; select E'\\';' ;\n";
        assert_eq!(split(sql).len(), 2);
    }

    #[test]
    fn statements_are_trimmed_and_keep_their_comments() {
        assert_eq!(
            split("-- why\nselect 1;\n\n ;; select 2"),
            ["-- why\nselect 1", "select 2"]
        );
    }

    #[test]
    fn an_atomic_body_is_one_statement() {
        let sql = "create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3;";
        assert_eq!(split(sql).len(), 2);
        // A transaction block is no such body.
        assert_eq!(split("begin; select 1; end;").len(), 3);
    }

    #[test]
    fn a_parameter_is_no_dollar_quote() {
        assert_eq!(split("select $1; select $2;").len(), 2);
    }

    #[test]
    fn the_fingerprint_forgets_spacing_only() {
        assert_eq!(
            fingerprint(["select  1;", " select 2 "]),
            fingerprint(["select 1", "select 2"])
        );
        assert_ne!(fingerprint(["select 1"]), fingerprint(["select 2"]));
    }
}
