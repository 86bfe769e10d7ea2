//! The routes of edge-api, from its own description.

use serde_json::{Map, json};

use super::Generator;
use super::target::bare;
use crate::catalogue::{Column, Type};
use crate::request::{Comparable, Door, Kind, Request};

impl Generator<'_> {
    pub(super) fn edge(&mut self) -> Request {
        let routes = &self.scene.catalogue.routes;
        if routes.is_empty() {
            return self.read(Kind::Select);
        }
        if self.chance(4) {
            return self.figures();
        }
        let route = self.pick(routes);
        let mut body = Map::new();
        for field in &route.fields {
            let share = if field.optional { 35 } else { 97 };
            if self.chance(share) {
                let value = match field.kind {
                    // Nobody waits for an end that does not come.
                    Type::Number => json!(*self.pick(&[0.0, 0.01, -1.0, 1e9])),
                    _ => self.argument(&route.path, field),
                };
                body.insert(field.name.clone(), value);
            }
        }
        let mut headers = Vec::new();
        if route.has_body {
            headers.push(("content-type", "application/json".to_owned()));
        }
        if route.is_stream && self.chance(40) {
            headers.push(("last-event-id", self.below(5).to_string()));
        }
        if self.chance(5) {
            headers.push(("x-request-id", format!("made-{}", self.made)));
        }
        Request {
            kind: Kind::Edge,
            door: Door::Edge,
            actor: self.actor,
            method: route.method,
            target: self.filled(&route.path),
            headers,
            body: route.has_body.then(|| json!(body).to_string()),
            comparable: if route.is_stream {
                Comparable::Status
            } else {
                Comparable::Whole
            },
        }
    }

    /// `/v1/executions/{id}` with an id of an execution: the part before the argument says of what.
    fn filled(&mut self, path: &str) -> String {
        let mut filled = String::new();
        let mut subject = String::new();
        for part in path.split('/').skip(1) {
            filled.push('/');
            if part.starts_with('{') {
                let name = format!("{}_id", subject.trim_end_matches('s'));
                let argument = Column {
                    name,
                    kind: Type::Uuid,
                    optional: false,
                };
                let value = bare(&self.argument(path, &argument));
                filled.extend(
                    percent_encoding::utf8_percent_encode(
                        &value,
                        percent_encoding::NON_ALPHANUMERIC,
                    )
                    .map(|piece| if piece == "%2D" { "-" } else { piece }),
                );
            } else {
                subject = part.to_owned();
                filled.push_str(part);
            }
        }
        filled
    }

    /// What the service says of itself must not speak of tenants.
    fn figures(&mut self) -> Request {
        Request {
            kind: Kind::Edge,
            door: Door::Edge,
            actor: self.actor,
            method: "GET",
            target: (*self.pick(&["/metrics", "/readyz", "/openapi.json"])).to_owned(),
            headers: Vec::new(),
            body: None,
            comparable: Comparable::Nothing,
        }
    }
}
