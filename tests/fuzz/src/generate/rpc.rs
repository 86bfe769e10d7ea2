//! Calling functions, by POST and by GET.

use serde_json::{Map, Value, json};

use super::Generator;
use super::target::{Query, bare};
use crate::catalogue::{Column, Function, Relation};
use crate::request::{Comparable, Door, Kind, Request};

impl<'a> Generator<'a> {
    pub(super) fn call(&mut self) -> Request {
        let Some(function) = self.function() else {
            return self.read(Kind::Select);
        };
        let arguments = self.arguments(function);
        let mut query = Query::default();
        self.on_answer(&mut query, function);
        let mut headers = vec![("content-type", "application/json".to_owned())];
        if self.chance(12) {
            let preference = *self.pick(&[
                "count=exact",
                "params=single-object",
                "tx=rollback",
                "return=minimal",
            ]);
            headers.push(("prefer", preference.to_owned()));
        }
        if self.chance(12) {
            let accept = *self.pick(&[
                "application/vnd.pgrst.object+json",
                "text/csv",
                "application/octet-stream",
            ]);
            headers.push(("accept", accept.to_owned()));
        }
        self.calling(
            Kind::Call,
            "POST",
            function,
            query,
            headers,
            Some(json!(arguments).to_string()),
        )
    }

    pub(super) fn call_by_get(&mut self) -> Request {
        let Some(function) = self.function() else {
            return self.read(Kind::Select);
        };
        let mut query = Query::default();
        for (name, value) in self.arguments(function) {
            query.add(name, bare(&value));
        }
        self.on_answer(&mut query, function);
        let method = if self.chance(15) { "HEAD" } else { "GET" };
        self.calling(Kind::CallByGet, method, function, query, Vec::new(), None)
    }

    fn function(&mut self) -> Option<&'a Function> {
        let functions = &self.scene.catalogue.functions;
        (!functions.is_empty()).then(|| self.pick(functions))
    }

    fn arguments(&mut self, function: &Function) -> Map<String, Value> {
        let mut arguments = Map::new();
        for argument in &function.arguments {
            let share = if argument.optional { 50 } else { 97 };
            if self.chance(share) {
                let value = self.argument(&function.name, argument);
                arguments.insert(argument.name.clone(), value);
            }
        }
        if self.chance(2) {
            arguments.insert("unknown".to_owned(), json!(1));
        }
        arguments
    }

    /// The answer of a function is a relation too: it is selected from and filtered.
    fn on_answer(&mut self, query: &mut Query, function: &Function) {
        if function.answers.is_empty() || !self.chance(25) {
            return;
        }
        let answer = Relation {
            name: function.name.clone(),
            columns: function.answers.clone(),
            key: Vec::new(),
            uniques: Vec::new(),
            links: Vec::new(),
        };
        let Column { name, .. } = self.column(&answer);
        match self.below(3) {
            0 => query.add("select", name),
            1 => self.filter(query, &answer, "", 1),
            _ => query.add("order", format!("{name}.desc")),
        }
    }

    fn calling(
        &mut self,
        kind: Kind,
        method: &'static str,
        function: &Function,
        query: Query,
        headers: Vec<(&'static str, String)>,
        body: Option<String>,
    ) -> Request {
        Request {
            kind,
            door: Door::Rest,
            actor: self.actor,
            method,
            target: query.after(&format!("/rpc/{}", function.name)),
            headers,
            body,
            comparable: Comparable::Whole,
        }
    }
}
