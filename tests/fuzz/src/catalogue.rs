//! What the doors offer, as the database and edge-api describe it themselves: requests are made from this, so what is new is fuzzed too.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sqlx::{PgPool, Row};

pub struct Catalogue {
    /// Tables and views of the exposed schema.
    pub relations: Vec<Relation>,
    pub functions: Vec<Function>,
    pub routes: Vec<Route>,
    /// What is not exposed: schemas, and names of tables and functions in them.
    pub hidden: Vec<(String, String)>,
}

#[derive(Clone)]
pub struct Relation {
    pub name: String,
    pub columns: Vec<Column>,
    /// The primary key; empty for a view.
    pub key: Vec<String>,
    /// Primary key and unique constraints, for `on_conflict`.
    pub uniques: Vec<Vec<String>>,
    /// Foreign keys from here and to here.
    pub links: Vec<Link>,
}

#[derive(Clone)]
pub struct Column {
    pub name: String,
    pub kind: Type,
    /// An insert may leave it out.
    pub optional: bool,
}

#[derive(Clone)]
pub struct Link {
    pub constraint: String,
    pub target: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Uuid,
    Text,
    Number,
    Bool,
    Time,
    Json,
    Array,
    Other,
}

#[derive(Clone)]
pub struct Function {
    pub name: String,
    pub arguments: Vec<Column>,
    /// What the rows of its answer are called, to select and to filter.
    pub answers: Vec<Column>,
}

/// An operation of edge-api.
pub struct Route {
    pub method: &'static str,
    /// With `{name}` where an argument stands.
    pub path: String,
    pub fields: Vec<Column>,
    pub has_body: bool,
    pub is_stream: bool,
}

/// What edge-api tells whoever asks, and why.
const PUBLIC_ROUTES: [(&str, &str); 1] = [(
    "/v1/tenant",
    "a login page shows whose it is before anybody has signed in",
)];

impl Catalogue {
    /// `openapi` is edge-api's description of itself.
    pub async fn read(database: &PgPool, openapi: &Value) -> Result<Self> {
        let relations: Value = sqlx::query(include_str!("catalogue.sql"))
            .fetch_one(database)
            .await
            .context("reading the catalogue")?
            .try_get(0)?;
        let relation = |value: &Value| -> Relation {
            Relation {
                name: text(&value["name"]),
                columns: columns(&value["columns"]),
                key: texts(&value["key"]),
                uniques: list(&value["uniques"]).iter().map(texts).collect(),
                links: list(&value["links"])
                    .iter()
                    .map(|link| Link {
                        constraint: text(&link["constraint"]),
                        target: text(&link["target"]),
                    })
                    .collect(),
            }
        };
        let function = |value: &Value| Function {
            name: text(&value["name"]),
            arguments: columns(&value["arguments"]),
            answers: columns(&value["answers"]),
        };
        let catalogue = Self {
            relations: list(&relations["relations"]).iter().map(relation).collect(),
            functions: list(&relations["functions"]).iter().map(function).collect(),
            hidden: list(&relations["hidden"])
                .iter()
                .map(|pair| (text(&pair["schema"]), text(&pair["name"])))
                .collect(),
            routes: routes(openapi),
        };
        ensure!(
            !catalogue.relations.is_empty() && !catalogue.functions.is_empty(),
            "the exposed schema is empty: is this database migrated?"
        );
        ensure!(!catalogue.routes.is_empty(), "edge-api describes no routes");
        Ok(catalogue)
    }

    /// Only what has one of these names.
    pub fn only(&self, names: &[&str]) -> Result<Self> {
        let wanted = |name: &str| names.contains(&name);
        let narrowed = Self {
            relations: self
                .relations
                .iter()
                .filter(|relation| wanted(&relation.name))
                .cloned()
                .collect(),
            functions: self
                .functions
                .iter()
                .filter(|function| wanted(&function.name))
                .cloned()
                .collect(),
            routes: Vec::new(),
            hidden: Vec::new(),
        };
        ensure!(
            !narrowed.relations.is_empty() || !narrowed.functions.is_empty(),
            "nothing exposed is called {}",
            names.join(" or ")
        );
        Ok(narrowed)
    }

    pub fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.name == name)
    }
}

impl Type {
    fn of(name: &str) -> Self {
        match name {
            "uuid" => Self::Uuid,
            "text" | "varchar" | "name" | "string" => Self::Text,
            "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" | "integer" | "number" => {
                Self::Number
            }
            "bool" | "boolean" => Self::Bool,
            "timestamptz" | "timestamp" | "date" | "interval" => Self::Time,
            "json" | "jsonb" | "object" => Self::Json,
            array if array.starts_with('_') => Self::Array,
            _ => Self::Other,
        }
    }
}

fn routes(openapi: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in openapi["paths"].as_object().into_iter().flatten() {
        let is_public = PUBLIC_ROUTES.iter().any(|(public, _)| path == public);
        if !path.starts_with("/v1/") || is_public {
            continue;
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let operation = &item[method.to_lowercase()];
            if operation.is_null() {
                continue;
            }
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let is_stream = operation["responses"]["200"]["content"]
                .as_object()
                .is_some_and(|content| content.contains_key("text/event-stream"));
            routes.push(Route {
                method,
                path: path.clone(),
                fields: fields(openapi, body),
                has_body: !body.is_null(),
                is_stream,
            });
        }
    }
    routes
}

/// The properties of a schema, which may be told elsewhere.
fn fields(openapi: &Value, schema: &Value) -> Vec<Column> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => openapi
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or(&Value::Null),
        None => schema,
    };
    let required = texts(&schema["required"]);
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| {
            let kinds = match &property["type"] {
                Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null"),
                kind => Some(kind),
            };
            let format = property["format"]
                .as_str()
                .filter(|format| *format == "uuid");
            let kind = format.or_else(|| kinds.and_then(Value::as_str));
            Column {
                kind: kind.map_or(Type::Json, Type::of),
                optional: !required.contains(name),
                name: name.clone(),
            }
        })
        .collect()
}

fn columns(value: &Value) -> Vec<Column> {
    list(value)
        .iter()
        .map(|column| Column {
            name: text(&column["name"]),
            kind: Type::of(&text(&column["type"])),
            optional: column["optional"].as_bool().unwrap_or(false),
        })
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
