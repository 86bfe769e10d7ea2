//! What belongs to the foreign tenants and must not show: their ids, their words, their hashes. And the ghosts: for each of these a value of
//! the same shape that nobody has.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::ids;
use crate::request::Request;

/// How every text of a foreign tenant begins; six digits follow. In lower case and of letters, so that slugs, domains and addresses take it.
pub const STEM: &str = "canaryofb";
/// How the ghost of such a text begins: of the same length, and next to it in any order.
pub const GHOST_STEM: &str = "canaryofg";

const DIGITS: usize = 6;
/// The bit that tells a ghost's id from its original.
const GHOST_BIT: u128 = 1 << 47;

pub struct Secrets {
    foreign: HashSet<Uuid>,
    /// Of our own tenants, and of what belongs to nobody.
    known: HashSet<Uuid>,
    /// SHA-256 of the foreign tenants' keys and tokens, in hexadecimal.
    hashes: HashSet<String>,
}

impl Secrets {
    /// From what the rows of each side say. Whatever our own tenants have too is no secret: somebody who is a member of both, for instance.
    pub fn new(foreign_rows: &[String], known_rows: &[String]) -> Self {
        let all = |rows: &[String]| -> HashSet<Uuid> {
            rows.iter()
                .flat_map(|row| ids::uuids(row))
                .map(|(_, id)| id)
                .collect()
        };
        let known = all(known_rows);
        let foreign = all(foreign_rows).difference(&known).copied().collect();
        let hashes = foreign_rows
            .iter()
            .flat_map(|row| long_hexadecimals(row))
            .collect();
        Self {
            foreign,
            known,
            hashes,
        }
    }

    pub fn is_foreign(&self, id: Uuid) -> bool {
        self.foreign.contains(&id)
    }

    /// Whether an id is in the world: ours, nobody's, or foreign.
    pub fn is_known(&self, id: Uuid) -> bool {
        self.known.contains(&id) || self.foreign.contains(&id)
    }

    /// A text in which everything foreign is a ghost.
    pub fn to_ghost(&self, text: &str) -> String {
        let exchanged = ids::exchange(text, |id| self.is_foreign(id).then(|| flipped(id)));
        exchanged.replace(STEM, GHOST_STEM)
    }

    /// The way back, to compare two answers.
    pub fn to_foreign(&self, text: &str) -> String {
        let exchanged = ids::exchange(text, |id| {
            Some(flipped(id)).filter(|original| self.is_foreign(*original))
        });
        exchanged.replace(GHOST_STEM, STEM)
    }

    /// Everything foreign that a text says, each in one form.
    pub fn said_in(&self, text: &str) -> HashSet<String> {
        let ids = ids::uuids(text)
            .into_iter()
            .filter(|(_, id)| self.is_foreign(*id))
            .map(|(_, id)| id.to_string());
        let hashes = long_hexadecimals(text).filter(|hash| self.hashes.contains(hash));
        ids.chain(hashes).chain(words(text)).collect()
    }

    /// Everything foreign that a request says, wherever in it, encoded or not.
    pub fn said_by(&self, request: &Request) -> HashSet<String> {
        let mut text = percent_decode_str(&request.target)
            .decode_utf8_lossy()
            .into_owned();
        for part in request
            .headers
            .iter()
            .map(|(_, value)| value)
            .chain(&request.body)
        {
            text.push('\n');
            text.push_str(part);
        }
        self.said_in(&text)
    }
}

fn flipped(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128() ^ GHOST_BIT)
}

/// The marks in a text, in either case. One that was cut short is a mark as well.
fn words(text: &str) -> impl Iterator<Item = String> {
    let lower = text.to_ascii_lowercase();
    let starts: Vec<usize> = lower.match_indices(STEM).map(|(at, _)| at).collect();
    starts.into_iter().map(move |at| {
        let digits = lower[at + STEM.len()..]
            .bytes()
            .take(DIGITS)
            .take_while(u8::is_ascii_digit)
            .count();
        lower[at..at + STEM.len() + digits].to_owned()
    })
}

/// Runs of exactly 64 hexadecimal digits.
fn long_hexadecimals(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_ascii_hexdigit())
        .filter(|run| run.len() == 64)
        .map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    const THEIRS: &str = "0190f065-0000-7000-8000-000300000001";
    const GHOST: &str = "0190f065-0000-7000-8000-800300000001";
    const SHARED: &str = "0190f001-0000-7000-8000-000100000009";

    fn secrets() -> Secrets {
        Secrets::new(
            &[
                format!(
                    r#"{{"id": "{THEIRS}", "user_id": "{SHARED}", "name": "canaryofb000001"}}"#
                ),
                format!(r#"{{"hash": "\\x{}"}}"#, "ab".repeat(32)),
            ],
            &[format!(r#"{{"id": "{SHARED}"}}"#)],
        )
    }

    #[test]
    fn what_both_have_is_no_secret() {
        let said = secrets().said_in(&format!("{SHARED} {}", THEIRS.to_uppercase()));
        assert_eq!(said.into_iter().collect::<Vec<_>>(), [THEIRS]);
    }

    #[test]
    fn a_ghost_is_another_value_of_the_same_shape_and_finds_its_way_back() {
        let secrets = secrets();
        let text = format!("id=eq.{THEIRS}&name=eq.canaryofb000001&user_id=eq.{SHARED}");
        let ghost = secrets.to_ghost(&text);
        assert_eq!(
            ghost,
            format!("id=eq.{GHOST}&name=eq.canaryofg000001&user_id=eq.{SHARED}")
        );
        assert!(secrets.said_in(&ghost).is_empty());
        assert_eq!(secrets.to_foreign(&ghost), text);
    }

    #[test]
    fn marks_and_hashes_are_seen_in_any_text() {
        let said = secrets().said_in(&format!(
            r#"[{{"name":"CanaryOfB000001"}}] canaryofb00, {}"#,
            "AB".repeat(32)
        ));
        let mut said: Vec<_> = said.into_iter().collect();
        said.sort();
        assert_eq!(
            said,
            [
                "ab".repeat(32),
                "canaryofb00".to_owned(),
                "canaryofb000001".to_owned()
            ]
        );
    }
}
