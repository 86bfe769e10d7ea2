//! Answers of status 5xx: whose fault each is.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::door::Answer;
use crate::request::{Door, Request};

/// Faults that are alike, told once.
#[derive(Default)]
pub struct Faults(BTreeMap<(Blame, String), Seen>);

pub struct Seen {
    pub times: usize,
    pub example: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blame {
    /// Its own, or a refusal of the database that it does not know and PostgREST does: see tests/README.md.
    SupabaseLite,
    /// A refusal by a SQLSTATE that PostgREST answers with 500 as well: a view that cannot be written, for instance.
    PostgRest,
    /// A fault inside the database.
    Database,
    EdgeApi,
    /// Nobody answered.
    Nobody,
}

/// What Supabase Lite answers with 500 and PostgREST with 400, 403 or 409: SQLSTATEs of classes 22, 23, 40001 and P0001, by their words.
/// <https://docs.postgrest.org/en/stable/references/errors.html#status-codes>
const REFUSALS: [&str; 9] = [
    // A NUL in a name ends Lite's message to Postgres early.
    "insufficient data left in message",
    "violates check constraint",
    "violates exclusion constraint",
    "is append-only",
    "could not serialize",
    "cannot be cast",
    "cannot be matched",
    "cannot insert multiple commands",
    "canceling statement",
];

impl Faults {
    pub fn note(&mut self, request: &Request, answer: &Answer, curl: impl FnOnce() -> String) {
        if (1..500).contains(&answer.status) {
            return;
        }
        let words = words(answer);
        let blame = match (request.door, answer.status) {
            (_, 0) => Blame::Nobody,
            (Door::Edge, _) => Blame::EdgeApi,
            (Door::Rest, _) => of_rest(&words),
        };
        let seen = self
            .0
            .entry((blame, shape(&words)))
            .or_insert_with(|| Seen {
                times: 0,
                example: curl(),
            });
        seen.times += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn times(&self) -> usize {
        self.0.values().map(|seen| seen.times).sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Blame, &str, &Seen)> {
        self.0
            .iter()
            .map(|((blame, words), seen)| (*blame, words.as_str(), seen))
    }
}

/// A fault that comes from Postgres is named by it; what is left is JavaScript's.
fn of_rest(words: &str) -> Blame {
    // Classes 53 to 58: no resources, limits, not in this state, an operator's hand, the system.
    let code = words.split(' ').next().unwrap_or_default();
    if code.len() == 5
        && ["53", "54", "55", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class))
    {
        return Blame::PostgRest;
    }
    let from_postgres =
        words.contains("PostgresError") || words.starts_with("XX") || words.starts_with("P0");
    match from_postgres && !REFUSALS.iter().any(|refusal| words.contains(refusal)) {
        true => Blame::Database,
        false => Blame::SupabaseLite,
    }
}

fn words(answer: &Answer) -> String {
    match serde_json::from_str::<Value>(&answer.body) {
        Ok(body) => format!(
            "{} {}",
            body["code"].as_str().unwrap_or_default(),
            body["message"].as_str().unwrap_or_default()
        ),
        Err(_) => answer.body.clone(),
    }
}

/// Without what differs among faults that are alike: names in quotes, and numbers.
fn shape(words: &str) -> String {
    let mut shape = String::new();
    let mut quote = None;
    for letter in words.chars().take(400) {
        match quote {
            Some(end) if letter == end => quote = None,
            Some(_) => continue,
            None if matches!(letter, '"' | '`') => {
                quote = Some(letter);
                shape.push('…');
            }
            None if letter.is_ascii_digit() && !shape.is_empty() => {
                if !shape.ends_with('#') {
                    shape.push('#');
                }
            }
            None => shape.push(letter),
        }
    }
    shape.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::{Blame, of_rest, shape};

    #[test]
    fn alike_faults_have_one_shape() {
        assert_eq!(
            shape("SUP row 12 of \"abc\" is bad"),
            shape("SUP row 7 of \"x\" is bad")
        );
    }

    #[test]
    fn a_refusal_that_lite_does_not_know_is_lites() {
        assert_eq!(
            of_rest("SUP PostgresError: new row violates check constraint"),
            Blame::SupabaseLite
        );
        assert_eq!(of_rest("55000 cannot insert into view"), Blame::PostgRest);
        assert_eq!(
            of_rest("SUP TypeError: x is not a function"),
            Blame::SupabaseLite
        );
        assert_eq!(
            of_rest("SUP PostgresError: cache lookup failed"),
            Blame::Database
        );
    }
}
