//! Writing tables: rows of several tenants in one insert, upserts onto foreign keys, updates that reach across or move rows away.

use serde_json::{Map, Value, json};

use super::Generator;
use super::target::Query;
use crate::catalogue::{Column, Relation, Type};
use crate::request::{Comparable, Door, Kind, Request};

const RETURN: [&str; 3] = [
    "return=representation",
    "return=minimal",
    "return=headers-only",
];
const RESOLUTION: [&str; 2] = [
    "resolution=merge-duplicates",
    "resolution=ignore-duplicates",
];

/// Which of a row's columns to give.
#[derive(Clone, Copy, PartialEq)]
enum Row {
    /// What an insert must have, and some more.
    New,
    /// A few.
    Change,
}

impl Generator<'_> {
    pub(super) fn insert(&mut self, kind: Kind) -> Request {
        let relation = self.relation(true);
        let mut query = Query::default();
        let mut preferences = self.preferences();
        if kind == Kind::Upsert {
            preferences.push((*self.pick(&RESOLUTION)).to_owned());
            if !relation.uniques.is_empty() && self.chance(60) {
                let unique = self.pick(&relation.uniques).join(",");
                query.add("on_conflict", unique);
            }
        }
        let count = *self.weighted(&[(1, 6), (2, 3), (4, 1)]);
        let first = self.row(relation, Row::New);
        let mut rows = vec![first.clone()];
        for _ in 1..count {
            // PostgREST wants the same columns in each.
            let mut row = self.row(relation, Row::New);
            if self.chance(85) {
                row.retain(|column, _| first.contains_key(column));
                for (column, value) in &first {
                    row.entry(column.clone()).or_insert_with(|| value.clone());
                }
            }
            rows.push(row);
        }
        if self.chance(15) {
            let columns: Vec<String> = first.keys().cloned().collect();
            query.add("columns", columns.join(","));
            preferences.push("missing=default".to_owned());
        }
        let body = match rows.len() {
            1 if self.chance(70) => json!(first),
            _ => json!(rows),
        };
        self.writing(kind, "POST", relation, query, preferences, Some(body))
    }

    pub(super) fn update(&mut self) -> Request {
        let relation = self.relation(true);
        let mut query = Query::default();
        let preferences = self.aim(&mut query, relation);
        let body = json!(self.row(relation, Row::Change));
        self.writing(
            Kind::Update,
            "PATCH",
            relation,
            query,
            preferences,
            Some(body),
        )
    }

    pub(super) fn delete(&mut self) -> Request {
        let relation = self.relation(true);
        let mut query = Query::default();
        let preferences = self.aim(&mut query, relation);
        self.writing(Kind::Delete, "DELETE", relation, query, preferences, None)
    }

    /// An upsert of one row: <https://docs.postgrest.org/en/stable/references/api/tables_views.html#single-row>
    pub(super) fn put(&mut self) -> Request {
        let relation = self.relation(true);
        let mut query = Query::default();
        let mut row = self.row(relation, Row::New);
        for name in &relation.key {
            let Some(column) = relation.columns.iter().find(|column| column.name == *name) else {
                continue;
            };
            let value = self.written(&relation.name, column);
            query.add(name, format!("eq.{}", super::target::bare(&value)));
            row.insert(name.clone(), value);
        }
        let preferences = self.preferences();
        self.writing(
            Kind::Put,
            "PUT",
            relation,
            query,
            preferences,
            Some(json!(row)),
        )
    }

    /// Which rows a change is for, and how: mostly one by its key, sometimes many. And all, without a word about which they are and without
    /// wanting to see them: then no policy on reading has a say, only the one on changing.
    fn aim(&mut self, query: &mut Query, relation: &Relation) -> Vec<String> {
        match self.below(100) {
            0..68 => self.key_filter(query, relation),
            68..94 => self.filter(query, relation, "", 3),
            _ => return vec![RETURN[1].to_owned()],
        }
        self.preferences()
    }

    fn row(&mut self, relation: &Relation, row: Row) -> Map<String, Value> {
        let mut columns = Map::new();
        for column in &relation.columns {
            let share = match (row, column.name.as_str()) {
                (Row::New, _) if !column.optional => 98,
                (Row::New, "id") => 55,
                (Row::New, _) => 22,
                (Row::Change, "tenant_id" | "id") => 12,
                (Row::Change, "name" | "description" | "status") => 40,
                (Row::Change, _) => 12,
            };
            if self.chance(share) {
                let value = self.cell(relation, column, row);
                columns.insert(column.name.clone(), value);
            }
        }
        columns
    }

    fn cell(&mut self, relation: &Relation, column: &Column, row: Row) -> Value {
        // Whose the row is decides over everything else; a new row of ours wants names that are free.
        let is_ours = self.at_home || self.chance(65);
        if column.name == "tenant_id" && row == Row::New && is_ours {
            return json!(self.scene.lanes[self.lane].tenant);
        }
        let is_name = ["name", "slug", "key", "id"].contains(&column.name.as_str());
        if is_name && row == Row::New && self.chance(45) {
            return match (column.name.as_str(), column.kind) {
                ("slug" | "key", _) => {
                    self.made += 1;
                    json!(format!("made{}x{}", self.lane, self.made))
                }
                (_, kind) => self.made_up(kind),
            };
        }
        match (column.name.as_str(), column.kind) {
            // So that one in so many gets as far as an answer.
            ("model", Type::Text) if self.chance(60) => json!("openai/gpt-4o-mini"),
            ("config" | "nodes" | "connections", Type::Json) if self.chance(30) => {
                json!(if column.name == "config" {
                    json!({})
                } else {
                    json!([])
                })
            }
            _ => self.written(&relation.name, column),
        }
    }

    fn preferences(&mut self) -> Vec<String> {
        let mut preferences =
            vec![(*self.weighted(&[(RETURN[0], 6), (RETURN[1], 2), (RETURN[2], 1)])).to_owned()];
        for (preference, share) in [
            ("count=exact", 15),
            ("handling=strict", 5),
            ("max-affected=1", 3),
            ("tx=rollback", 3),
        ] {
            if self.chance(share) {
                preferences.push(preference.to_owned());
            }
        }
        preferences
    }

    fn writing(
        &mut self,
        kind: Kind,
        method: &'static str,
        relation: &Relation,
        mut query: Query,
        preferences: Vec<String>,
        body: Option<Value>,
    ) -> Request {
        if preferences[0] != RETURN[1] && self.chance(30) {
            let selection = match self.chance(40) {
                true => "*".to_owned(),
                false => self.column(relation).name,
            };
            query.add("select", selection);
        }
        let mut headers = vec![("prefer", preferences.join(", "))];
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        Request {
            kind,
            door: Door::Rest,
            actor: self.actor,
            method,
            target: query.after(&format!("/{}", relation.name)),
            headers,
            body: body.map(|body| body.to_string()),
            comparable: Comparable::Whole,
        }
    }
}
