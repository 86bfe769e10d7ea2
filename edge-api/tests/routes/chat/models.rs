//! What can be named as model.

use serde_json::Value;
use sqlx::PgPool;
use tests::seed::{ALPHA_EDITOR, ALPHA_VIEWER};

use super::Gateway;

const PATH: &str = "/v1/models?tenant_id=01900000-0000-7000-8000-00000000a000";

#[sqlx::test(migrations = "../migrations")]
async fn those_that_can_be_called_and_the_tenants_agents(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let answer = gateway.app.get(PATH).by(ALPHA_EDITOR).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = answer.json();
    assert_eq!(list["object"], "list");
    let names: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"openai/gpt-4o-mini"), "{names:?}");
    assert!(names.contains(&"agent:greeter"), "{names:?}");
    assert!(
        !names.iter().any(|name| name.starts_with("gemini/")),
        "it has no key: {names:?}"
    );
    let agents: Vec<&Value> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|model| model["owned_by"] == "agent")
        .collect();
    assert_eq!(agents.len(), 1, "{agents:?}");

    let refused = gateway.app.get(PATH).by(ALPHA_VIEWER).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "forbidden".to_owned())
    );
}
