//! What is selected: columns with aliases and casts, ways into JSON, aggregates, and embeddings along every foreign key in both directions.
//! <https://docs.postgrest.org/en/stable/references/api/resource_embedding.html>

use serde_json::Value;

use super::Generator;
use super::target::Query;
use crate::catalogue::{Relation, Type};
use crate::pools::Side;

/// An embedding, by the name under which a filter speaks of it.
pub struct Embedded<'a> {
    pub name: String,
    pub relation: &'a Relation,
}

impl<'a> Generator<'a> {
    /// A list for `select`. Embeddings of the first level are remembered, to be filtered.
    pub(super) fn selection(
        &mut self,
        relation: &'a Relation,
        depth: usize,
        embedded: &mut Vec<Embedded<'a>>,
    ) -> String {
        let mut items = Vec::new();
        if self.chance(30) {
            items.push("*".to_owned());
        }
        for _ in 0..self.below(5) {
            items.push(self.item(relation));
        }
        if depth > 0 {
            for _ in 0..1 + self.below(2) {
                items.extend(self.embedding(relation, depth, embedded));
            }
        }
        if items.is_empty() {
            items.push("*".to_owned());
        }
        items.join(",")
    }

    fn item(&mut self, relation: &Relation) -> String {
        let column = self.column(relation);
        let mut item = match column.kind {
            Type::Json if self.chance(60) => {
                let pool = self
                    .scene
                    .pools
                    .of_column(Side::Foreign, &relation.name, &column.name);
                let value = match pool.is_empty() {
                    true => Value::Null,
                    false => self.pick(pool).clone(),
                };
                self.arrows(&column.name, &value)
            }
            _ => column.name.clone(),
        };
        if self.chance(20) {
            item = format!("{}:{item}", self.pick(&["a", "renamed", "tenant_id", "id"]));
        }
        match self.below(200) {
            0..14 => item.push_str("::text"),
            14..17 => {
                let cast = *self.pick(&["::json", "::uuid", "::int", "::timestamptz"]);
                item.push_str(cast);
            }
            // Off at these doors, so seldom asked for.
            17 => {
                let aggregate = *self.pick(&[".count()", ".sum()", ".max()", ".min()", ".avg()"]);
                item.push_str(aggregate);
            }
            18 => item = "count()".to_owned(),
            _ => {}
        }
        item
    }

    /// `alias:target!constraint!inner(…)`, or spread into its parent.
    fn embedding(
        &mut self,
        relation: &'a Relation,
        depth: usize,
        embedded: &mut Vec<Embedded<'a>>,
    ) -> Option<String> {
        if relation.links.is_empty() {
            return None;
        }
        let link = self.pick(&relation.links);
        let target = self.scene.catalogue.relation(&link.target)?;
        let deeper = if self.chance(35) { depth - 1 } else { 0 };
        let inner = self.selection(target, deeper, &mut Vec::new());
        let mut name = target.name.clone();
        let mut text = String::new();
        match self.below(10) {
            0..3 => {
                name = (*self.pick(&["other", "theirs", "child"])).to_owned();
                text.push_str(&format!("{name}:"));
            }
            3 => text.push_str("..."),
            _ => {}
        }
        text.push_str(&target.name);
        // Between some tables there is more than one way.
        if self.chance(60) {
            text.push_str(&format!("!{}", link.constraint));
        }
        match self.below(10) {
            0..3 => text.push_str("!inner"),
            3 => text.push_str("!left"),
            _ => {}
        }
        embedded.push(Embedded {
            name,
            relation: target,
        });
        Some(format!("{text}({inner})"))
    }

    /// Conditions, order and limits for what is embedded.
    pub(super) fn filter_embedded(&mut self, query: &mut Query, embedded: &[Embedded<'a>]) {
        for Embedded { name, relation } in embedded {
            if self.chance(45) {
                self.filter(query, relation, &format!("{name}."), 2);
            }
            match self.below(10) {
                0 => query.add(name.as_str(), "is.null"),
                1 => query.add(name.as_str(), "not.is.null"),
                2 if !relation.key.is_empty() => {
                    query.add(format!("{name}.order"), relation.key.join(","));
                    query.add(format!("{name}.limit"), self.below(3).to_string());
                }
                _ => {}
            }
        }
    }
}
