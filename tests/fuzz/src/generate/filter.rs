//! Conditions: every operator of PostgREST, alone, negated, and in trees of `and` and `or`.
//! <https://docs.postgrest.org/en/stable/references/api/tables_views.html#operators>

use serde_json::Value;

use super::Generator;
use super::target::{Query, bare, quoted};
use crate::catalogue::{Column, Relation, Type};

const COMPARE: [&str; 7] = ["eq", "neq", "gt", "gte", "lt", "lte", "isdistinct"];
const PATTERNS: [&str; 4] = ["like", "ilike", "match", "imatch"];
const SEARCH: [&str; 6] = [
    "fts",
    "plfts",
    "phfts",
    "wfts",
    "fts(english)",
    "plfts(german)",
];
const CONTAIN: [&str; 3] = ["cs", "cd", "ov"];
const RANGES: [&str; 5] = ["sl", "sr", "nxr", "nxl", "adj"];

impl Generator<'_> {
    /// Some conditions on a relation; `prefix` names the embedding that they are for.
    pub(super) fn filter(
        &mut self,
        query: &mut Query,
        relation: &Relation,
        prefix: &str,
        most: usize,
    ) {
        for _ in 0..self.below(most + 1) {
            let (key, condition) = self.condition(relation, false);
            query.add(format!("{prefix}{key}"), condition);
        }
        if self.chance(25) {
            let logic = *self.pick(&["or", "and", "not.or", "not.and"]);
            let tree = self.tree(relation, 2);
            query.add(format!("{prefix}{logic}"), tree);
        }
    }

    /// A condition on the key: the row that somebody has in mind.
    pub(super) fn key_filter(&mut self, query: &mut Query, relation: &Relation) {
        for name in &relation.key {
            let Some(column) = relation.columns.iter().find(|column| column.name == *name) else {
                continue;
            };
            // Half of a key is a question too.
            if relation.key.len() == 1 || self.chance(75) {
                let value = self.wanted(&relation.name, column);
                query.add(name, format!("eq.{}", bare(&value)));
            }
        }
    }

    /// `(a.eq.1,or(b.gt.2,c.is.null))`
    fn tree(&mut self, relation: &Relation, depth: usize) -> String {
        let parts: Vec<String> = (0..2 + self.below(2))
            .map(|_| {
                if depth > 0 && self.chance(30) {
                    let logic = *self.pick(&["or", "and", "not.or", "not.and"]);
                    format!("{logic}{}", self.tree(relation, depth - 1))
                } else {
                    let (key, condition) = self.condition(relation, true);
                    format!("{key}.{condition}")
                }
            })
            .collect();
        format!("({})", parts.join(","))
    }

    fn condition(&mut self, relation: &Relation, in_tree: bool) -> (String, String) {
        let column = self.column(relation);
        let value = self.wanted(&relation.name, &column);
        let key = match column.kind {
            Type::Json if self.chance(60) => self.arrows(&column.name, &value),
            _ => column.name.clone(),
        };
        let not = if self.chance(15) { "not." } else { "" };
        let condition = self.operator(&column, &value, &key, relation, in_tree);
        (key, format!("{not}{condition}"))
    }

    /// Ids and texts are what a foreigner would be found by.
    pub(super) fn column(&mut self, relation: &Relation) -> Column {
        let weights: Vec<(&Column, u32)> = relation
            .columns
            .iter()
            .map(|column| match column.kind {
                Type::Uuid => (column, 5),
                Type::Text => (column, 3),
                _ => (column, 2),
            })
            .collect();
        (*self.weighted(&weights)).clone()
    }

    fn operator(
        &mut self,
        column: &Column,
        value: &Value,
        key: &str,
        relation: &Relation,
        in_tree: bool,
    ) -> String {
        let written = match key == column.name {
            true => bare(value),
            false => self.inside(value),
        };
        let say = |text: &str| match in_tree {
            true => quoted(text),
            false => text.to_owned(),
        };
        match self.below(100) {
            0..8 if column.kind == Type::Bool => {
                return format!("is.{}", self.pick(&["true", "false", "unknown"]));
            }
            0..8 => return format!("is.{}", self.pick(&["null", "not_null"])),
            8..20 => return format!("in.({})", self.list(relation, column, &written)),
            20..23 => {
                let all = *self.pick(&["any", "all"]);
                return format!("eq({all}).{}", say(&format!("{{{written},{written}}}")));
            }
            23..25 => {
                return format!(
                    "{}.{}",
                    self.pick(&RANGES),
                    say(&format!("[{written},{written}]"))
                );
            }
            _ => {}
        }
        match column.kind {
            Type::Text if self.chance(45) => {
                let pattern = self.pattern(&written);
                match self.below(10) {
                    0..6 => format!("{}.{}", self.pick(&PATTERNS), say(&pattern)),
                    6 => format!("ilike(any).{}", say(&format!("{{{pattern},x*}}"))),
                    _ => format!("{}.{}", self.pick(&SEARCH), say(&written)),
                }
            }
            Type::Array | Type::Json if self.chance(65) => {
                format!("{}.{}", self.pick(&CONTAIN), say(&written))
            }
            _ if self.chance(60) => format!("eq.{}", say(&written)),
            _ => format!("{}.{}", self.pick(&COMPARE), say(&written)),
        }
    }

    fn list(&mut self, relation: &Relation, column: &Column, first: &str) -> String {
        let mut items = vec![quoted(first)];
        for _ in 0..self.below(4) {
            items.push(quoted(&bare(&self.wanted(&relation.name, column))));
        }
        items.join(",")
    }

    /// A part of a text, with wildcards where the rest was.
    fn pattern(&mut self, text: &str) -> String {
        let letters: Vec<char> = text.chars().take(60).collect();
        let from = self.below(letters.len() / 2 + 1);
        let to = from + self.below(letters.len() - from) + 1;
        let part: String = letters[from..to.min(letters.len())].iter().collect();
        match self.below(3) {
            0 => format!("{part}*"),
            1 => format!("*{part}*"),
            _ => format!("*{part}"),
        }
    }

    /// A way into a JSON value that is really there: `nodes->0->>name`.
    pub(super) fn arrows(&mut self, column: &str, value: &Value) -> String {
        let mut path = column.to_owned();
        let mut place = value;
        loop {
            let (step, inner) = match place {
                Value::Object(fields) if !fields.is_empty() => {
                    let at = self.below(fields.len());
                    match fields.iter().nth(at) {
                        Some((key, inner)) => (key.clone(), inner),
                        None => break,
                    }
                }
                Value::Array(items) if !items.is_empty() => {
                    let at = self.below(items.len());
                    (at.to_string(), &items[at])
                }
                _ => break,
            };
            let is_last = !(inner.is_object() || inner.is_array()) || self.chance(20);
            path.push_str(if is_last { "->>" } else { "->" });
            path.push_str(&step);
            place = inner;
            if is_last {
                break;
            }
        }
        path
    }

    /// Some text from inside of a JSON value.
    fn inside(&mut self, value: &Value) -> String {
        let mut place = value;
        loop {
            match place {
                Value::Object(fields) if !fields.is_empty() => {
                    let at = self.below(fields.len());
                    match fields.values().nth(at) {
                        Some(inner) => place = inner,
                        None => return String::new(),
                    }
                }
                Value::Array(items) if !items.is_empty() => place = &items[self.below(items.len())],
                leaf => return bare(leaf),
            }
        }
    }
}
