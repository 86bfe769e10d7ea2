//! Requests that were good once: a letter missing, a bracket too many, a body cut short, a token that is none.

use super::{Generator, KINDS};
use crate::request::{Comparable, Kind, Request};

const PIECES: [&str; 16] = [
    "%00",
    "%ff",
    "%27",
    "%22",
    "'",
    ";",
    ")",
    "(",
    ",",
    ".",
    "*",
    "%5c",
    "--",
    "->>",
    "::",
    "%E2%98%83",
];

impl Generator<'_> {
    pub(super) fn malformed(&mut self) -> Request {
        let kind = loop {
            let kind = *self.weighted(&KINDS);
            if kind != Kind::Malformed {
                break kind;
            }
        };
        let mut request = self.of_kind(kind);
        request.kind = Kind::Malformed;
        if request.comparable == Comparable::Whole && request.is_read() {
            // Whatever became of its order and its limit.
            request.comparable = Comparable::RowCount;
        }
        for _ in 0..1 + self.below(2) {
            self.damage(&mut request);
        }
        request
    }

    fn damage(&mut self, request: &mut Request) {
        match self.below(12) {
            0..6 => {
                // Behind the path, or there would be nothing but 404.
                let from = request.target.find('?').unwrap_or(request.target.len() / 2);
                request.target = self.damaged(&request.target, from);
            }
            6..9 => {
                if let Some(body) = &request.body {
                    request.body = Some(self.damaged(body, 0));
                }
            }
            9 => request
                .headers
                .push(("authorization", "Bearer good.morning.please".to_owned())),
            10 => {
                request.headers.retain(|(name, _)| *name != "content-type");
                let odd = *self.pick(&[
                    "text/plain",
                    "text/csv",
                    "application/x-www-form-urlencoded",
                    "nonsense",
                ]);
                request.headers.push(("content-type", odd.to_owned()));
            }
            _ => request.method = *self.pick(&["OPTIONS", "PUT", "GET", "POST"]),
        }
        if matches!(request.method, "GET" | "OPTIONS") {
            request.body = None;
        }
    }

    /// A letter gone, a letter twice, something in between, or the rest cut off.
    fn damaged(&mut self, text: &str, from: usize) -> String {
        let places: Vec<usize> = text
            .char_indices()
            .map(|(at, _)| at)
            .filter(|at| *at > from)
            .collect();
        if places.is_empty() {
            return format!("{text}{}", self.pick(&PIECES));
        }
        let at = *self.pick(&places);
        let next = text[at..]
            .chars()
            .next()
            .map_or(at, |letter| at + letter.len_utf8());
        match self.below(5) {
            0 => format!("{}{}", &text[..at], &text[next..]),
            1 => format!("{}{}", &text[..next], &text[at..]),
            2 => text[..at].to_owned(),
            _ => format!("{}{}{}", &text[..at], self.pick(&PIECES), &text[at..]),
        }
    }
}
