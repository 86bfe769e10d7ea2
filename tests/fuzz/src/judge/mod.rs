//! What an answer must not do: say something foreign, or be another answer because something foreign exists.

pub mod faults;
mod passing;
mod settle;

use std::collections::HashSet;

use crate::door::Answer;
use crate::request::{Comparable, Request};
use crate::secrets::Secrets;

pub use settle::Settler;

/// Everything foreign that an answer says and that whoever asked had not said: neither in this request nor, so that it would stand in rows
/// of their own, in an earlier one.
pub fn leaked(
    secrets: &Secrets,
    request: &Request,
    written_before: &HashSet<String>,
    answer: &Answer,
) -> Vec<String> {
    let mut said = secrets.said_in(&answer.body);
    for (_, value) in &answer.headers {
        said.extend(secrets.said_in(value));
    }
    if said.is_empty() {
        return Vec::new();
    }
    let asked = secrets.said_by(request);
    let mut leaked: Vec<String> = said
        .into_iter()
        .filter(|word| !asked.contains(word) && !written_before.contains(word))
        .collect();
    leaked.sort();
    leaked
}

/// How two answers to what should be one question differ, or None.
pub fn difference(
    settler: &Settler<'_>,
    request: &Request,
    one: &Answer,
    other: &Answer,
) -> Option<String> {
    if request.comparable == Comparable::Nothing {
        return None;
    }
    let (one, other) = (settler.settle(request, one), settler.settle(request, other));
    if one == other {
        return None;
    }
    Some(one.against(&other))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::leaked;
    use crate::door::Answer;
    use crate::request::{Comparable, Door, Kind, Request};
    use crate::secrets::Secrets;

    fn request(target: &str) -> Request {
        Request {
            kind: Kind::Select,
            door: Door::Rest,
            actor: 0,
            method: "GET",
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
            comparable: Comparable::Whole,
        }
    }

    #[test]
    fn a_leak_is_what_the_asker_did_not_know() {
        let id = "0190f065-0000-7000-8000-000300000001";
        let secrets = Secrets::new(&[format!(r#"{{"id":"{id}"}}"#)], &[]);
        let answer = |body: &str| Answer {
            status: 200,
            body: body.to_owned(),
            ..Answer::default()
        };
        let row = answer(&format!(r#"[{{"id":"{id}","name":"canaryofb000002"}}]"#));
        let nothing = HashSet::new();
        assert_eq!(
            leaked(&secrets, &request("/workflows"), &nothing, &row),
            [id, "canaryofb000002"]
        );
        // Said back is not given away, also where it was sent encoded.
        let asked = request(&format!("/workflows?id=eq.{id}&name=eq.canaryof%62000002"));
        assert!(leaked(&secrets, &asked, &nothing, &row).is_empty());
        // Nor is what was written into a row of one's own before.
        let written = HashSet::from(["canaryofb000002".to_owned()]);
        assert_eq!(
            leaked(&secrets, &request("/workflows"), &written, &row),
            [id]
        );
        // Headers are answers too.
        let mut header = answer("[]");
        header
            .headers
            .push(("location".to_owned(), format!("/workflows?id=eq.{id}")));
        assert_eq!(
            leaked(&secrets, &request("/workflows"), &nothing, &header),
            [id]
        );
    }
}
