use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tests::seed;

use crate::stack::{Person, setting};

fn echo() -> (Value, Value) {
    let nodes = json!([
        { "id": "start", "type": "trigger", "position": { "x": 0, "y": 0 }, "config": { "kind": "manual" } },
        { "id": "echo", "type": "action", "position": { "x": 1, "y": 0 }, "config": { "kind": "transform", "output": "{{ input }}" } },
    ]);
    (nodes, json!([{ "source": "start", "target": "echo" }]))
}

#[tokio::test]
async fn an_invalid_workflow_is_422_with_every_problem() {
    let person = Person::sign_up().await;
    let tenant = person.make_tenant().await;
    let nodes = json!([
        { "id": "start", "type": "trigger", "position": { "x": 0, "y": 0 }, "config": { "kind": "manual" } },
        { "id": "odd", "type": "teleporter", "position": { "x": 1, "y": 0 }, "config": {} },
        { "id": "torn", "type": "action", "position": { "x": 2, "y": 0 }, "config": { "kind": "transform", "output": "{{ input. }}" } },
    ]);
    let connections =
        json!([{ "source": "start", "target": "odd" }, { "source": "start", "target": "torn" }]);
    let workflow = person.draw(&tenant, "Half drawn", nodes, connections).await;

    let refusal = person
        .rpc("activate_workflow", json!({ "workflow_id": workflow }))
        .await;
    let details = refusal.refused(422, "workflow_invalid").expect("details");
    let problems: Vec<Value> = serde_json::from_str(details).expect("a list in JSON");
    for place in ["/nodes/1", "/nodes/2"] {
        assert!(
            problems.iter().any(|problem| problem["pointer"]
                .as_str()
                .is_some_and(|pointer| pointer.starts_with(place))),
            "{problems:#?}"
        );
    }
}

#[tokio::test]
async fn one_execution_over_the_plan_is_402_with_headers() {
    let person = Person::sign_up().await;
    let tenant = person.make_tenant().await;
    let mut operator = PgConnection::connect(&setting("AIAS_E2E_DATABASE_URL"))
        .await
        .expect("the operator's connection");
    sqlx::query(
        r#"update public.tenants set limit_overrides = '{"executions": 1}' where id = $1::uuid"#,
    )
    .bind(&tenant)
    .execute(&mut operator)
    .await
    .expect("a smaller plan");
    let (nodes, connections) = echo();
    let workflow = person.draw(&tenant, "Echo", nodes, connections).await;
    person
        .rpc("activate_workflow", json!({ "workflow_id": workflow }))
        .await
        .good();

    let first = person
        .rpc("start_execution", json!({ "workflow_id": workflow }))
        .await
        .good();
    let refusal = person
        .rpc("start_execution", json!({ "workflow_id": workflow }))
        .await;
    let details: Value =
        serde_json::from_str(refusal.refused(402, "quota_exceeded").expect("details"))
            .expect("an object in JSON");
    assert_eq!(details["meter"], "executions");
    assert_eq!(
        (details["limit"].as_i64(), details["used"].as_i64()),
        (Some(1), Some(1))
    );
    assert_eq!(refusal.header("x-quota-limit"), Some("1"));
    assert_eq!(refusal.header("x-quota-remaining"), Some("0"));
    assert!(
        refusal
            .header("retry-after")
            .is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0))
    );

    let events = person
        .follow(first["id"].as_str().expect("an id"))
        .await
        .expect("a stream");
    assert_eq!(
        events.last().expect("an end").1["status"],
        "succeeded",
        "what was admitted runs"
    );
}

#[tokio::test]
async fn another_tenant_sees_touches_and_learns_nothing() {
    let stranger = Person::sign_in(seed::BETA_OWNER.email).await;
    let alpha = seed::ALPHA.to_string();
    for table in [
        "ai_agents",
        "workflows",
        "workflow_versions",
        "executions",
        "execution_steps",
        "usage",
        "memberships",
        "roles",
    ] {
        assert_eq!(
            stranger.rows(table, ("tenant_id", &alpha)).await,
            Vec::<Value>::new(),
            "{table}"
        );
    }
    assert_eq!(
        stranger.rows("tenants", ("id", &alpha)).await,
        Vec::<Value>::new()
    );

    let foreign = stranger
        .rpc(
            "start_execution",
            json!({ "workflow_id": seed::ALPHA_WORKFLOW }),
        )
        .await;
    let none = stranger
        .rpc(
            "start_execution",
            json!({ "workflow_id": "01900000-0000-7000-8000-00000000ffff" }),
        )
        .await;
    foreign.refused(404, "not_found");
    assert_eq!(foreign.body, none.body, "a foreign id reads like none");

    let planted = json!({ "tenant_id": alpha, "name": "Planted" });
    let refusal =
        crate::stack::send(stranger.rest.from("workflows").insert(planted.to_string())).await;
    refusal.refused(403, "42501");
}

#[tokio::test]
async fn a_viewer_may_look_and_not_start() {
    let viewer = Person::sign_in(seed::ALPHA_VIEWER.email).await;
    let workflow = seed::ALPHA_WORKFLOW.to_string();
    assert_eq!(viewer.rows("workflows", ("id", &workflow)).await.len(), 1);
    viewer
        .rpc("start_execution", json!({ "workflow_id": workflow }))
        .await
        .refused(403, "forbidden");
}
