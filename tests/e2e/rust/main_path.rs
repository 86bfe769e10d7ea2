use serde_json::json;

use crate::stack::{Person, send, setting};

/// Draw, activate, start, watch, read: with an agent and an HTTP call.
#[tokio::test]
async fn a_workflow_is_drawn_run_watched_and_read_back() {
    let person = Person::sign_up().await;
    let tenant = person.make_tenant().await;
    let agent = json!({ "tenant_id": tenant, "name": "Clerk", "slug": "clerk", "model": "openai/gpt-4o-mini" });
    let agent = send(
        person
            .rest
            .from("ai_agents")
            .insert(agent.to_string())
            .select("id")
            .single(),
    )
    .await
    .good();

    let customer = format!(
        "{}/customers/{{{{ input.email }}}}",
        setting("AIAS_E2E_HELPDESK_URL")
    );
    let nodes = json!([
        { "id": "start", "type": "trigger", "position": { "x": 0, "y": 0 }, "config": { "kind": "manual" } },
        { "id": "customer", "type": "action", "position": { "x": 1, "y": 0 }, "config": { "kind": "http", "url": customer } },
        { "id": "greet", "type": "ai_processing", "position": { "x": 2, "y": 0 },
          "config": { "agent_id": agent["id"], "prompt": "Greet {{ steps.customer.output.body.name }}." } },
        { "id": "card", "type": "action", "position": { "x": 3, "y": 0 },
          "config": { "kind": "transform", "output": { "to": "{{ steps.customer.output.body.name }}", "text": "{{ steps.greet.output.text }}" } } },
    ]);
    let connections = json!([
        { "source": "start", "target": "customer" },
        { "source": "customer", "target": "greet" },
        { "source": "greet", "target": "card" },
    ]);
    let workflow = person.draw(&tenant, "Greeting", nodes, connections).await;
    let active = person
        .rpc("activate_workflow", json!({ "workflow_id": workflow }))
        .await
        .good();
    assert_eq!(
        (active["status"].as_str(), active["version"].as_i64()),
        (Some("active"), Some(1))
    );

    let start = json!({ "workflow_id": workflow, "input": { "email": "dele.oyelaran@helios.example" }, "idempotency_key": "greeting-1" });
    let execution = person.rpc("start_execution", start.clone()).await.good();
    assert_eq!(execution["status"], "queued");
    let id = execution["id"].as_str().expect("an execution has an id");
    assert_eq!(
        person.rpc("start_execution", start).await.good()["id"],
        execution["id"],
        "the same key is the same execution"
    );

    let events = person.follow(id).await.expect("a stream");
    let (last, end) = events.last().expect("events");
    assert_eq!(
        (last.as_str(), end["status"].as_str()),
        ("execution", Some("succeeded")),
        "{end}"
    );
    assert!(events.iter().any(|(event, data)| event == "step"
        && data["node_id"] == "greet"
        && data["status"] == "succeeded"));

    let rows = person.rows("executions", ("id", id)).await;
    assert_eq!(rows[0]["output"]["card"]["to"], "Dele Oyelaran");
    assert!(
        rows[0]["output"]["card"]["text"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    let steps = person.rows("execution_steps", ("execution_id", id)).await;
    assert_eq!(steps.len(), 4);
    assert!(
        steps.iter().all(|step| step["status"] == "succeeded"),
        "{steps:#?}"
    );
    assert_eq!(person.rows("usage", ("execution_id", id)).await.len(), 1);
}
