//! Values to ask with: what the rows of the world say, by column, ours and theirs.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool, Row};
use uuid::Uuid;

use crate::catalogue::{Catalogue, Type};

/// Whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Lane(usize),
    Foreign,
    /// Plans, permissions, regions: everybody's.
    Nobody,
}

#[derive(Default)]
pub struct Pools {
    by_column: HashMap<(Side, String, String), Vec<Value>>,
    by_name: HashMap<(Side, String), Vec<Value>>,
    ids: HashMap<Side, Vec<Value>>,
    tables: Vec<String>,
}

impl Pools {
    /// Empty, and knowing what tables there are.
    pub fn of_tables(catalogue: &Catalogue) -> Self {
        Self {
            tables: catalogue
                .relations
                .iter()
                .map(|relation| relation.name.clone())
                .collect(),
            ..Self::default()
        }
    }

    /// Whole rows, each with whose it is.
    pub async fn read(
        database: &PgPool,
        catalogue: &Catalogue,
        owners: &HashMap<Uuid, Side>,
    ) -> Result<Self> {
        let mut pools = Self::of_tables(catalogue);
        for relation in &catalogue.relations {
            let statement = format!("select to_jsonb(r) from public.\"{}\" r", relation.name);
            let rows = sqlx::query(AssertSqlSafe(statement))
                .fetch_all(database)
                .await
                .with_context(|| format!("reading {}", relation.name))?;
            for row in rows {
                let row: Value = row.try_get(0)?;
                let is_tenants = row.get("tenant_id").is_some()
                    || ["tenants", "users"].contains(&relation.name.as_str());
                let owner = row.get("tenant_id").or(row.get("id"));
                let owner = owner.and_then(Value::as_str).and_then(|id| id.parse().ok());
                let side = match owner.and_then(|owner: Uuid| owners.get(&owner)) {
                    Some(side) => *side,
                    None if is_tenants => continue,
                    None => Side::Nobody,
                };
                for column in &relation.columns {
                    pools.add(side, &relation.name, &column.name, &row[&column.name]);
                }
            }
        }
        // Rows lie in any order; the same world has to give the same requests.
        for pool in pools
            .by_column
            .values_mut()
            .chain(pools.by_name.values_mut())
            .chain(pools.ids.values_mut())
        {
            pool.sort_by_cached_key(Value::to_string);
        }
        Ok(pools)
    }

    pub fn add(&mut self, side: Side, relation: &str, column: &str, value: &Value) {
        if value.is_null() {
            return;
        }
        let pool = self
            .by_column
            .entry((side, relation.to_owned(), column.to_owned()))
            .or_default();
        if pool.contains(value) {
            return;
        }
        pool.push(value.clone());
        let pool = self.by_name.entry((side, column.to_owned())).or_default();
        if !pool.contains(value) {
            pool.push(value.clone());
        }
        let is_id = value
            .as_str()
            .is_some_and(|text| Uuid::try_parse(text).is_ok());
        let pool = self.ids.entry(side).or_default();
        if is_id && !pool.contains(value) {
            pool.push(value.clone());
        }
    }

    pub fn of_column(&self, side: Side, relation: &str, column: &str) -> &[Value] {
        let key = (side, relation.to_owned(), column.to_owned());
        self.by_column.get(&key).map_or(&[], Vec::as_slice)
    }

    /// For an argument of a function: the columns of that name, or the ids of the table that `<table>_id` speaks of.
    pub fn of_argument(&self, side: Side, name: &str, kind: Type) -> &[Value] {
        if let Some(subject) = name.strip_suffix("_id").filter(|_| kind == Type::Uuid) {
            let plural = format!("{subject}s");
            let table = self
                .tables
                .iter()
                .find(|table| **table == plural || table.ends_with(&format!("_{plural}")));
            if let Some(table) = table {
                return self.of_column(side, table, "id");
            }
        }
        self.by_name
            .get(&(side, name.to_owned()))
            .map_or(&[], Vec::as_slice)
    }

    /// Any id at all.
    pub fn ids(&self, side: Side) -> &[Value] {
        self.ids.get(&side).map_or(&[], Vec::as_slice)
    }
}
