//! Reading tables and views.

use super::Generator;
use super::select::Embedded;
use super::target::Query;
use crate::catalogue::Relation;
use crate::request::{Comparable, Door, Kind, Request};

const ACCEPT: [&str; 7] = [
    "text/csv",
    "application/vnd.pgrst.object+json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.array+json;nulls=stripped",
    "application/vnd.pgrst.plan+json",
    "application/vnd.pgrst.plan+text; for=\"application/json\"; options=analyze|verbose",
    "application/octet-stream",
];
const COUNT: [&str; 3] = ["count=exact", "count=planned", "count=estimated"];

impl<'a> Generator<'a> {
    pub(super) fn read(&mut self, kind: Kind) -> Request {
        let relation = self.relation(false);
        let mut query = Query::default();
        let mut embedded = Vec::new();
        let depth = if kind == Kind::Embed { 2 } else { 0 };
        if depth > 0 || self.chance(75) {
            let selection = self.selection(relation, depth, &mut embedded);
            query.add("select", selection);
        }
        if self.chance(35) {
            self.key_filter(&mut query, relation);
        }
        self.filter(&mut query, relation, "", 3);
        self.filter_embedded(&mut query, &embedded);
        let mut request = Request {
            kind,
            door: Door::Rest,
            actor: self.actor,
            method: if kind == Kind::Head { "HEAD" } else { "GET" },
            target: String::new(),
            headers: Vec::new(),
            body: None,
            comparable: Comparable::Whole,
        };
        self.order_and_limit(&mut query, relation, embedded.first(), &mut request);
        if self.chance(35) {
            let count = (*self.weighted(&[(COUNT[0], 8), (COUNT[1], 1), (COUNT[2], 1)])).to_owned();
            request.headers.push(("prefer", count));
        }
        if self.chance(10) {
            request
                .headers
                .push(("accept", (*self.pick(&ACCEPT)).to_owned()));
        }
        request.target = query.after(&format!("/{}", relation.name));
        request
    }

    /// Mostly in an order that leaves nothing to chance, so that a part of the rows is the same part each time.
    fn order_and_limit(
        &mut self,
        query: &mut Query,
        relation: &Relation,
        embedding: Option<&Embedded<'_>>,
        request: &mut Request,
    ) {
        let mut order = Vec::new();
        if self.chance(40) {
            let column = self.column(relation).name;
            let direction =
                *self.pick(&["", ".asc", ".desc", ".desc.nullslast", ".asc.nullsfirst"]);
            order.push(format!("{column}{direction}"));
        }
        if let Some(embedded) = embedding.filter(|_| self.chance(15)) {
            let column = self.column(embedded.relation).name;
            order.push(format!("{}({column}).desc", embedded.name));
        }
        let is_total = !relation.key.is_empty() && self.chance(80);
        let limited = self.chance(40);
        if limited && is_total {
            order.extend(relation.key.iter().cloned());
        }
        if !order.is_empty() {
            query.add("order", order.join(","));
        }
        if !limited {
            return;
        }
        if !is_total {
            request.comparable = Comparable::RowCount;
        }
        let (from, count) = (self.below(4), self.below(6));
        match self.below(3) {
            0 => {
                query.add("limit", count.to_string());
                if self.chance(60) {
                    query.add("offset", from.to_string());
                }
            }
            1 => {
                request.headers.push(("range-unit", "items".to_owned()));
                request
                    .headers
                    .push(("range", format!("{from}-{}", from + count)));
            }
            _ => query.add("offset", (from * 10).to_string()),
        }
    }
}
