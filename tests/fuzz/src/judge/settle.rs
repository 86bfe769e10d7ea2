//! An answer without what differs from one time to the next: ghosts are what they stand for, new ids and times are just that, and rows
//! that nobody asked an order for are in one.

use serde_json::Value;

use crate::door::Answer;
use crate::request::{Comparable, Request};
use crate::secrets::Secrets;

/// Of the moment, or following from the rest.
const PASSING_HEADERS: [&str; 10] = [
    // The query once more, its parts sorted: those of a ghost sort elsewhere.
    "content-location",
    "date",
    "x-request-id",
    "connection",
    "keep-alive",
    "content-length",
    "transfer-encoding",
    "retry-after",
    "x-quota-remaining",
    "x-quota-reset",
];

pub struct Settler<'a> {
    pub secrets: &'a Secrets,
    /// Times from here on are of this run. In the form of RFC 3339, to the second, UTC.
    pub made_at: &'a str,
}

#[derive(PartialEq)]
pub struct Settled {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Settler<'_> {
    pub fn settle(&self, request: &Request, answer: &Answer) -> Settled {
        let estimates = request.asks_for_estimate();
        let mut settled = Settled {
            // An estimate decides between these two.
            status: match answer.status {
                206 if estimates => 200,
                status => status,
            },
            headers: Vec::new(),
            body: String::new(),
        };
        if request.comparable == Comparable::Status {
            return settled;
        }
        for (name, value) in &answer.headers {
            let is_passing = PASSING_HEADERS.contains(&name.as_str());
            let is_estimate = estimates && name == "content-range";
            if !is_passing && !is_estimate {
                settled
                    .headers
                    .push((name.clone(), self.without_passing(value)));
            }
        }
        settled.headers.sort();
        let is_csv = settled
            .headers
            .iter()
            .any(|(name, value)| name == "content-type" && value.starts_with("text/csv"));
        let body = self.without_passing(&answer.body);
        settled.body = match (request.comparable, serde_json::from_str::<Value>(&body)) {
            (Comparable::RowCount, Ok(Value::Array(rows))) => format!("{} rows", rows.len()),
            (Comparable::RowCount, Err(_)) if is_csv => format!("{} lines", body.lines().count()),
            (_, Ok(mut json)) => {
                put_in_order(&mut json);
                json.to_string()
            }
            (_, Err(_)) if is_csv => {
                let mut lines: Vec<&str> = body.lines().collect();
                lines.sort_unstable();
                lines.join("\n")
            }
            (_, Err(_)) => body,
        };
        settled
    }
}

/// Rows come in whatever order they lie in; the same rows are the same answer.
fn put_in_order(json: &mut Value) {
    match json {
        Value::Array(items) => {
            items.iter_mut().for_each(put_in_order);
            if items.iter().all(Value::is_object) {
                items.sort_by_cached_key(Value::to_string);
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(put_in_order),
        _ => {}
    }
}

impl Settled {
    /// Both, each with what the other has not.
    pub fn against(&self, other: &Self) -> String {
        format!("{}\n{}", self.beside(other), other.beside(self))
    }

    fn beside(&self, other: &Self) -> String {
        const MOST: usize = 600;
        let headers = self
            .headers
            .iter()
            .filter(|header| !other.headers.contains(header));
        let mut text = self.status.to_string();
        for (name, value) in headers {
            text.push_str(&format!(" {name}: {value}"));
        }
        let body: String = self.body.chars().take(MOST).collect();
        format!("{text} {body}")
    }
}

#[cfg(test)]
mod tests {
    use super::Settler;
    use crate::door::Answer;
    use crate::judge::difference;
    use crate::request::{Comparable, Door, Kind, Request};
    use crate::secrets::Secrets;

    const THEIRS: &str = "0190f065-0000-7000-8000-000300000001";
    const GHOST: &str = "0190f065-0000-7000-8000-800300000001";

    fn differ(comparable: Comparable, one: (u16, &str, &str), other: (u16, &str, &str)) -> bool {
        let request = Request {
            kind: Kind::Select,
            door: Door::Rest,
            actor: 0,
            method: "GET",
            target: "/workflows".to_owned(),
            headers: Vec::new(),
            body: None,
            comparable,
        };
        let secrets = Secrets::new(&[format!(r#"{{"id":"{THEIRS}"}}"#)], &[]);
        let settler = Settler {
            secrets: &secrets,
            made_at: "2026-01-01T00:00:00",
        };
        let answer = |(status, range, body): (u16, &str, &str)| Answer {
            status,
            headers: vec![
                ("content-range".to_owned(), range.to_owned()),
                ("date".to_owned(), body.len().to_string()),
            ],
            body: body.to_owned(),
            ..Answer::default()
        };
        difference(&settler, &request, &answer(one), &answer(other)).is_some()
    }

    #[test]
    fn what_differs_each_time_is_no_difference() {
        let one = format!(
            r#"[{{"id":"01a2145c-af8f-7e7d-a9aa-ffe0608e7927","at":"2026-11-25T20:19:08.219036+00:00","of":"{THEIRS}"}},{{"key":"aias_0123abcd_x-y_z"}}]"#
        );
        let other = format!(
            r#"[{{"key":"aias_4567ef01_z_y-x"}},{{"id":"01a2145d-af8f-7e7d-a9aa-ffe0608e7928","at":"2026-01-01 00:00:00+00","of":"{GHOST}"}}]"#
        );
        assert!(!differ(
            Comparable::Whole,
            (200, "0-1/*", &one),
            (200, "0-1/*", &other)
        ));
        for before in ["/hooks/", "aias_hook_"] {
            let token = |letter: &str| format!("\"{before}{}\"", letter.repeat(43));
            let (one, other) = (token("a"), token("-"));
            assert!(!differ(
                Comparable::Whole,
                (200, "*/*", &one),
                (200, "*/*", &other)
            ));
        }
    }

    #[test]
    fn everything_else_is_one() {
        let differ_whole = |one, other| differ(Comparable::Whole, one, other);
        assert!(differ_whole((200, "*/*", "[]"), (404, "*/*", "[]")));
        assert!(differ_whole((200, "0-0/1", "[]"), (200, "0-0/2", "[]")));
        assert!(differ_whole(
            (200, "", r#"[{"a":1}]"#),
            (200, "", r#"[{"a":2}]"#)
        ));
        // A time before this run, and an id of the world, are the world's.
        assert!(differ_whole(
            (200, "", r#""2025-01-01T00:00:00""#),
            (200, "", r#""2025-01-02T00:00:00""#)
        ));
        assert!(differ_whole(
            (200, "", &format!("[\"{THEIRS}\"]")),
            (200, "", "[\"01a2145d-af8f-7e7d-a9aa-ffe0608e7928\"]")
        ));
    }

    #[test]
    fn some_of_many_rows_are_compared_by_their_number() {
        let differ_count = |one, other| differ(Comparable::RowCount, one, other);
        assert!(!differ_count(
            (200, "", r#"[{"a":1}]"#),
            (200, "", r#"[{"a":2}]"#)
        ));
        assert!(differ_count((200, "", r#"[{"a":1}]"#), (200, "", "[]")));
    }
}
