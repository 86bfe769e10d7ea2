//! What is not exposed, asked for by name and by profile.
//! <https://docs.postgrest.org/en/stable/references/api/schemas.html>

use super::Generator;
use super::target::Query;
use crate::request::{Comparable, Door, Kind, Request};

impl Generator<'_> {
    pub(super) fn other_schema(&mut self) -> Request {
        let hidden = &self.scene.catalogue.hidden;
        if hidden.is_empty() {
            return self.read(Kind::Select);
        }
        let (schema, name) = self.pick(hidden);
        let is_call = self.chance(40);
        let mut query = Query::default();
        if self.chance(40) {
            query.add("select", "*");
        }
        let path = match self.below(4) {
            0 => format!("/{schema}.{name}"),
            _ if is_call => format!("/rpc/{name}"),
            _ => format!("/{name}"),
        };
        let mut headers = Vec::new();
        if self.chance(75) {
            let header = if is_call {
                "content-profile"
            } else {
                "accept-profile"
            };
            headers.push((header, schema.clone()));
        }
        Request {
            kind: Kind::Schema,
            door: Door::Rest,
            actor: self.actor,
            method: if is_call { "POST" } else { "GET" },
            target: query.after(&path),
            headers,
            body: is_call.then(|| "{}".to_owned()),
            comparable: Comparable::Whole,
        }
    }
}
