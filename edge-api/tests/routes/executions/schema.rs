//! The description says of rows what rows are.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::PgPool;
use tests::seed::ALPHA_OWNER;

use crate::support::{TestApp, Worker};

fn described(description: &Value, name: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let schema = &description["components"]["schemas"][name];
    let properties = schema["properties"]
        .as_object()
        .unwrap_or_else(|| panic!("{name} is described"))
        .keys()
        .cloned()
        .collect();
    let required = schema["required"]
        .as_array()
        .expect("required")
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    (properties, required)
}

fn keys(row: &Value) -> BTreeSet<String> {
    row.as_object().expect("a row").keys().cloned().collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn every_column_is_described_and_required(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let execution = app
        .get(&format!("/v1/executions/{id}"))
        .by(ALPHA_OWNER)
        .send()
        .await
        .json();
    Worker::claim(&app.pool, id)
        .await
        .finish("succeeded", &[("start", "succeeded")])
        .await;
    let step = app
        .events(ALPHA_OWNER, id)
        .await
        .next()
        .await
        .unwrap()
        .json();

    let description = app.get("/openapi.json").send().await.json();
    assert_eq!(
        described(&description, "Execution"),
        (keys(&execution), keys(&execution))
    );
    assert_eq!(
        described(&description, "ExecutionStep"),
        (keys(&step), keys(&step))
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn every_status_and_origin_is_described(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let description = app.get("/openapi.json").send().await.json();
    for (schema, constraint) in [
        ("ExecutionStatus", "execution_status_is_known"),
        ("StepStatus", "step_status_is_known"),
        ("ExecutionOrigin", "execution_origin_is_known"),
    ] {
        let check: String = sqlx::query_scalar(
            "select pg_get_constraintdef(oid) from pg_constraint where conname = $1",
        )
        .bind(constraint)
        .fetch_one(&app.pool)
        .await
        .unwrap();
        let described = description["components"]["schemas"][schema]["enum"]
            .as_array()
            .expect("an enumeration");
        assert_eq!(described.len(), check.matches("::text").count(), "{check}");
        for value in described {
            assert!(
                check.contains(&format!("'{}'", value.as_str().unwrap())),
                "{value} is not in {check}"
            );
        }
    }
}
