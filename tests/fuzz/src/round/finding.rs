//! What was found, and how to see it again.

use super::Round;
use crate::request::{Request, Token};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detector {
    /// Something foreign was said.
    Leak,
    /// The foreign tenants' rows are not what they were.
    Change,
    /// An answer about what is foreign differs from one about what does not exist.
    ToldApart,
    /// An answer is another one when the foreign tenants are gone.
    Depends,
}

pub struct Finding {
    pub detector: Detector,
    pub round: usize,
    pub lane: usize,
    /// The place of the request in its lane's sequence; None when no single request could be found.
    pub index: Option<usize>,
    pub what: String,
    /// How to ask again.
    pub commands: String,
}

impl Round<'_> {
    pub(super) fn finding(
        &self,
        detector: Detector,
        lane: usize,
        index: usize,
        what: String,
    ) -> Finding {
        Finding {
            detector,
            round: self.number,
            lane,
            index: Some(index),
            what,
            commands: self.commands(lane, &self.sequences[lane][index]),
        }
    }

    pub(super) fn commands(&self, lane: usize, request: &Request) -> String {
        let person = &self.world.lanes[lane].people[request.actor];
        let token = match person.token {
            Some(_) => Token::Given,
            None => Token::None,
        };
        format!("{}\n{}", person.sign_in, request.curl(token))
    }
}
