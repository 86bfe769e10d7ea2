//! A request to one of the doors, as it was thought up: everything but the key and the token.

use std::fmt;

use crate::secrets::Secrets;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Select,
    Embed,
    Head,
    Insert,
    Upsert,
    Update,
    Delete,
    Put,
    Call,
    CallByGet,
    Schema,
    Malformed,
    Edge,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Select => "select",
            Self::Embed => "select with embedding",
            Self::Head => "head",
            Self::Insert => "insert",
            Self::Upsert => "upsert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Put => "put",
            Self::Call => "rpc",
            Self::CallByGet => "rpc by get",
            Self::Schema => "other schema",
            Self::Malformed => "malformed",
            Self::Edge => "edge-api",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// PostgREST.
    Rest,
    Edge,
}

/// How far two answers can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparable {
    /// Word for word.
    Whole,
    /// Some rows of many, in no order that was asked for: which ones is chance.
    RowCount,
    /// A stream that is cut off somewhere.
    Status,
    /// Figures about the service itself; only looked through for what must not be there.
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub kind: Kind,
    pub door: Door,
    /// Who asks: an index into the people of the lane.
    pub actor: usize,
    pub method: &'static str,
    /// Path and query, encoded.
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
    pub comparable: Comparable,
}

impl Request {
    /// Whether it can change nothing, whatever the answer.
    pub fn is_read(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }

    /// Whether the planner's guess at a number of rows is asked for, which knows the statistics of the whole table.
    pub fn asks_for_estimate(&self) -> bool {
        self.headers.iter().any(|(name, value)| {
            *name == "prefer" && (value.contains("planned") || value.contains("estimated"))
        })
    }

    /// The same request about what does not exist.
    pub fn ghost(&self, secrets: &Secrets) -> Self {
        Self {
            target: secrets.to_ghost(&self.target),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (*name, secrets.to_ghost(value)))
                .collect(),
            body: self.body.as_deref().map(|body| secrets.to_ghost(body)),
            ..self.clone()
        }
    }

    /// As a command for a shell. Addresses, key and token are variables.
    pub fn curl(&self, token: Token) -> String {
        let (address, prefix) = match self.door {
            Door::Rest => ("$API", "/rest/v1"),
            Door::Edge => ("$EDGE", ""),
        };
        let method = match self.method {
            "HEAD" => "--head".to_owned(),
            method => format!("--request {method}"),
        };
        let mut command = format!(
            "curl --include {method} \"{address}\"{}",
            quoted(&format!("{prefix}{}", self.target))
        );
        if self.door == Door::Rest {
            command.push_str(" --header \"apikey: $KEY\"");
        }
        if token == Token::Given
            && !self
                .headers
                .iter()
                .any(|(name, _)| *name == "authorization")
        {
            command.push_str(" --header \"Authorization: Bearer $TOKEN\"");
        }
        for (name, value) in &self.headers {
            command.push_str(&format!(
                " --header {}",
                quoted(&format!("{name}: {value}"))
            ));
        }
        if let Some(body) = &self.body {
            command.push_str(&format!(" --data-raw {}", quoted(body)));
        }
        command
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Given,
    None,
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{Comparable, Door, Kind, Request, Token};

    #[test]
    fn a_request_reads_as_a_command_without_a_secret() {
        let request = Request {
            kind: Kind::Insert,
            door: Door::Rest,
            actor: 0,
            method: "POST",
            target: "/workflows?select=id".to_owned(),
            headers: vec![("prefer", "return=representation".to_owned())],
            body: Some(r#"{"name":"it's"}"#.to_owned()),
            comparable: Comparable::Whole,
        };
        assert_eq!(
            request.curl(Token::Given),
            r#"curl --include --request POST "$API"'/rest/v1/workflows?select=id' --header "apikey: $KEY" --header "Authorization: Bearer $TOKEN" --header 'prefer: return=representation' --data-raw '{"name":"it'\''s"}'"#
        );
        assert!(!request.curl(Token::None).contains("TOKEN"));
    }
}
