//! What the catalogue says of the exposed tables and views.

use serde::Deserialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use tests::world::Tenant;
use uuid::Uuid;

#[derive(Debug, Clone, Deserialize)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// Column names of each unique index, the primary key first, with whether it is partial.
    pub unique: Vec<Unique>,
    /// Of foreign keys with one column: that column and the column that it refers to.
    pub references: Vec<Reference>,
    /// Columns of foreign keys with more.
    pub shared: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Column {
    pub name: String,
    pub kind: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Unique {
    pub columns: Vec<String>,
    pub is_partial: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Reference {
    pub column: String,
    pub table: String,
    pub referred: String,
}

const CATALOGUE: &str = "
  with exposed as (
    select c.oid, c.relname from pg_catalog.pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname <> '_sqlx_migrations'
       and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  ),
  named as (select attrelid, attnum, attname::text as name, format_type(atttypid, null) as kind from pg_catalog.pg_attribute where attnum > 0 and not attisdropped)
  select jsonb_build_object(
    'name', e.relname,
    'columns', (select jsonb_agg(jsonb_build_object('name', n.name, 'kind', n.kind) order by n.attnum) from named n where n.attrelid = e.oid),
    'unique', (select coalesce(jsonb_agg(jsonb_build_object(
                   'columns', (select jsonb_agg(n.name order by k.position) from unnest(i.indkey) with ordinality k (number, position)
                                 join named n on n.attrelid = e.oid and n.attnum = k.number),
                   'is_partial', i.indpred is not null) order by i.indisprimary desc, i.indexrelid), '[]')
                 from pg_catalog.pg_index i where i.indrelid = e.oid and i.indisunique),
    'references', (select coalesce(jsonb_agg(jsonb_build_object('column', n.name, 'table', f.confrelid::regclass::text, 'referred', r.name)), '[]')
                     from pg_catalog.pg_constraint f
                     join named n on n.attrelid = e.oid and n.attnum = f.conkey[1]
                     join named r on r.attrelid = f.confrelid and r.attnum = f.confkey[1]
                    where f.conrelid = e.oid and f.contype = 'f' and cardinality(f.conkey) = 1),
    'shared', (select coalesce(jsonb_agg(distinct n.name), '[]')
                 from pg_catalog.pg_constraint f join named n on n.attrelid = e.oid and n.attnum = any (f.conkey)
                where f.conrelid = e.oid and f.contype = 'f' and cardinality(f.conkey) > 1))
    from exposed e order by e.relname";

/// Every table and view that is exposed.
pub async fn exposed(connection: &mut PgConnection) -> Vec<Table> {
    let rows: Vec<Value> = sqlx::query_scalar(CATALOGUE)
        .fetch_all(connection)
        .await
        .expect("the catalogue answers");
    rows.into_iter()
        .map(|row| serde_json::from_value(row).expect("what was built above"))
        .collect()
}

impl Table {
    /// The column that names the tenant; none where rows belong to nobody.
    pub fn tenant_column(&self) -> Option<&str> {
        if self.name == "tenants" {
            return Some("id");
        }
        self.has("tenant_id").then_some("tenant_id")
    }

    /// The column that names the person whom a row is about.
    pub fn person_column(&self) -> Option<&str> {
        if self.name == "users" {
            return Some("id");
        }
        self.has("user_id").then_some("user_id")
    }

    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known.name == column)
    }

    pub fn kind_of(&self, column: &str) -> &str {
        let known = self.columns.iter().find(|known| known.name == column);
        known.map_or("", |known| &known.kind)
    }

    /// Empty for a view.
    pub fn primary_key(&self) -> &[String] {
        self.unique
            .first()
            .map_or(&[], |unique| unique.columns.as_slice())
    }

    /// Which rows are a tenant's, as a condition. `people` are those whom a row of public.users may be about.
    pub fn rows_of(&self, tenant: Tenant, people: &[Uuid]) -> String {
        match (self.tenant_column(), self.name.as_str()) {
            (Some(column), _) => format!("{column} = '{}'", tenant.id()),
            (None, "users") => format!("id in ({})", quoted(people)),
            (None, _) => "true".to_owned(),
        }
    }

    /// Which of a tenant's rows is written: one that nothing else stands on.
    pub fn written(&self) -> &'static str {
        match self.name.as_str() {
            "roles" => "key = 'spare'",
            "listings" => "state = 'draft'",
            _ => "true",
        }
    }

    /// Another value for a column, as SQL: longer, greater, or the other one.
    pub fn another_value(&self, column: &str, value: &Value) -> String {
        // To switch it wants a second factor wherever one is, which is not what is asked here.
        if self.name == "tenants" && column == "requires_second_factor" {
            return value.to_string();
        }
        match (self.kind_of(column), value) {
            ("text", Value::String(text)) => format!("'{}x'", text.replace('\'', "''")),
            ("text", _) => "'x'".to_owned(),
            ("smallint" | "integer" | "bigint" | "numeric", Value::Number(number)) => {
                format!("{number} + 1")
            }
            ("smallint" | "integer" | "bigint" | "numeric", _) => "1".to_owned(),
            ("boolean", value) => format!("{}", *value != Value::Bool(true)),
            ("uuid", _) => format!("'{}'", Uuid::now_v7()),
            ("text[]", _) => "'{another}'".to_owned(),
            ("jsonb", _) => r#"'{"another": true}'"#.to_owned(),
            ("timestamp with time zone", _) => "'2001-01-01Z'".to_owned(),
            (kind, _) => panic!(
                "{}.{column}: no other value of type {kind} is known",
                self.name
            ),
        }
    }
}

pub fn quoted(ids: &[Uuid]) -> String {
    let quoted: Vec<_> = ids.iter().map(|id| format!("'{id}'")).collect();
    quoted.join(", ")
}

/// A copy of a row that could stand beside it: every unique index has another value in it.
pub async fn copy_of(connection: &mut PgConnection, table: &Table, row: &Value) -> Value {
    let mut copy = row.clone();
    for unique in &table.unique {
        if unique
            .columns
            .iter()
            .any(|column| copy[column] != row[column])
        {
            continue;
        }
        let is_free = |column: &&String| {
            table.tenant_column() != Some(column.as_str())
                && !table.shared.contains(column)
                && !table
                    .references
                    .iter()
                    .any(|reference| reference.column == **column)
        };
        let own_id = || {
            unique
                .columns
                .iter()
                .find(|_| unique.columns.len() == 1 && table.name == "tenants")
        };
        let column = unique.columns.iter().find(is_free).or_else(own_id);
        if let Some(column) = column {
            copy[column] = value(connection, table, column, &row[column]).await;
        } else if let Some(reference) = table.references.iter().find(|reference| {
            unique.columns.contains(&reference.column)
                && table.tenant_column() != Some(reference.column.as_str())
        }) {
            copy[&reference.column] = unreferred(connection, table, unique, reference, row).await;
        } else {
            assert!(
                unique.is_partial,
                "{}: nothing of {:?} can be another one",
                table.name, unique.columns
            );
        }
    }
    copy
}

async fn value(connection: &mut PgConnection, table: &Table, column: &str, value: &Value) -> Value {
    let sql = if table.kind_of(column).contains("int") {
        format!(
            "select to_jsonb(max({column}) + 1) from public.{}",
            table.name
        )
    } else {
        format!(
            "select to_jsonb({}::{})",
            table.another_value(column, value),
            table.kind_of(column)
        )
    };
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .unwrap_or_else(|error| panic!("{}.{column}: {error}", table.name))
}

/// A value of a foreign key that no row with the other values of the index has.
async fn unreferred(
    connection: &mut PgConnection,
    table: &Table,
    unique: &Unique,
    reference: &Reference,
    row: &Value,
) -> Value {
    let others = unique
        .columns
        .iter()
        .filter(|column| **column != reference.column);
    let same: String = others
        .map(|column| format!(" and t.{column} = s.{column}"))
        .collect();
    let sql = format!(
        "select to_jsonb(r.{referred}) from {there} r, jsonb_populate_record(null::public.{here}, $1) s
          where not exists (select from public.{here} t where t.{column} = r.{referred}{same}) order by 1 limit 1",
        referred = reference.referred,
        there = reference.table,
        here = table.name,
        column = reference.column,
    );
    sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(row)
        .fetch_optional(connection)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", table.name))
        .unwrap_or_else(|| panic!("{}: every {} is taken", table.name, reference.column))
}
