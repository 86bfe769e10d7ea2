//! A plan, as `explain (format json)` prints it: <https://www.postgresql.org/docs/current/sql-explain.html>.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

pub struct Plan(Value);

impl Plan {
    pub async fn of(connection: &mut PgConnection, explain: &str) -> Self {
        let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain.to_owned()))
            .persistent(false)
            .fetch_one(connection)
            .await
            .unwrap_or_else(|error| panic!("{explain}: {error}"));
        Self(plan[0]["Plan"].clone())
    }

    /// What is asked of functions of ours is asked at most once, ahead of the rows.
    pub fn asks_once(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for node in nodes(&self.0) {
            let relationship = node["Parent Relationship"].as_str().unwrap_or_default();
            if relationship == "SubPlan" {
                wrong.push(format!("a SubPlan: {}", node["Node Type"]));
            }
            if relationship == "InitPlan" && node["Actual Loops"].as_u64() > Some(1) {
                wrong.push(format!("an InitPlan ran {} times", node["Actual Loops"]));
            }
        }
        for node in outside_of_init_plans(&self.0) {
            for text in conditions(node) {
                let text = without_comparisons(text);
                if ["private.", "aias.", "auth.", "current_setting"]
                    .iter()
                    .any(|function| text.contains(function))
                {
                    wrong.push(format!("asked for each row: {text}"));
                }
            }
        }
        wrong
    }

    /// How many InitPlans with a function of ours in them have run.
    pub fn questions_asked(&self) -> usize {
        let init_plans = nodes(&self.0)
            .into_iter()
            .filter(|node| node["Parent Relationship"] == "InitPlan");
        init_plans
            .filter(|node| node["Actual Loops"].as_u64() >= Some(1))
            .filter(|node| {
                conditions(node)
                    .iter()
                    .any(|text| without_comparisons(text).contains("aias."))
            })
            .count()
    }

    /// Each of these indexes is used, and no table among `big` is read from end to end.
    pub fn uses(&self, indexes: &[&str], big: &BTreeSet<String>) -> Vec<String> {
        let used: BTreeSet<&str> = nodes(&self.0)
            .iter()
            .filter_map(|node| node["Index Name"].as_str())
            .collect();
        let mut wrong: Vec<String> = indexes
            .iter()
            .filter(|wanted| !used.iter().any(|used| is_named(used, wanted)))
            .map(|wanted| format!("{wanted} is not used, but {used:?}"))
            .collect();
        for node in nodes(&self.0) {
            let table = node["Relation Name"].as_str().unwrap_or_default();
            if node["Node Type"] == "Seq Scan" && big.contains(table) {
                wrong.push(format!("{table} is read from end to end"));
            }
        }
        wrong
    }
}

/// `…` stands for any text at the beginning or at the end of a name.
fn is_named(name: &str, wanted: &str) -> bool {
    match (wanted.strip_prefix('…'), wanted.strip_suffix('…')) {
        (Some(end), _) => name.ends_with(end),
        (_, Some(start)) => name.starts_with(start),
        _ => name == wanted,
    }
}

/// `aias.among` asks nothing: it compares with what an InitPlan has answered.
fn without_comparisons(text: &str) -> String {
    text.replace("aias.among(", "(")
}

/// The node and all below it.
fn nodes(node: &Value) -> Vec<&Value> {
    let below = node["Plans"].as_array().into_iter().flatten();
    std::iter::once(node).chain(below.flat_map(nodes)).collect()
}

fn outside_of_init_plans(node: &Value) -> Vec<&Value> {
    let below = node["Plans"].as_array().into_iter().flatten();
    let below = below.filter(|child| child["Parent Relationship"] != "InitPlan");
    std::iter::once(node)
        .chain(below.flat_map(outside_of_init_plans))
        .collect()
}

/// What a node computes: every text in it, its children's left out.
fn conditions(node: &Value) -> Vec<&str> {
    let fields = node
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "Plans");
    fields
        .flat_map(|(_, value)| match value {
            Value::String(text) => vec![text.as_str()],
            Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        })
        .collect()
}
