use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, Person};
use vault::Slot;

use super::secrets::opened_slot;
use super::{Answer, TestApp};

/// Sets Alpha's own key to a provider, as somebody.
pub async fn set(app: &TestApp, person: Person, provider: &str, key: &str) -> Answer {
    app.request(
        "PUT",
        &format!("/v1/providers/{provider}?tenant_id={ALPHA}"),
    )
    .by(person)
    .json(&json!({ "key": key }))
    .send()
    .await
}

/// Alpha's own key as a worker would open it. None when there is none.
pub async fn opened(pool: &PgPool, provider: &str) -> Option<String> {
    opened_slot(pool, ALPHA, Slot::ProviderKey(provider)).await
}
