use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER, ALPHA_VIEWER};

use crate::support::TestApp;
use crate::support::secrets::set;

#[sqlx::test(migrations = "../migrations")]
async fn names_and_last_characters_and_nothing_else(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let path = format!("/v1/secrets?tenant_id={ALPHA}");
    assert_eq!(
        app.get(&path).by(ALPHA_OWNER).send().await.json(),
        json!([])
    );
    for (name, value) in [
        ("stripe", "sk_live_hunter2hunter2"),
        ("Crm", "hunter2"),
        ("mail", "hunter2hunter2"),
    ] {
        set(&app, ALPHA_OWNER, name, value).await;
    }
    let list = app.get(&path).by(ALPHA_OWNER).send().await;
    assert!(!list.text().contains("hunter2"), "{}", list.text());
    let shown: Vec<_> = list
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| (secret["name"].clone(), secret["last_four"].clone()))
        .collect();
    assert_eq!(
        shown,
        [
            (json!("Crm"), json!(null)),
            (json!("mail"), json!("ter2")),
            (json!("stripe"), json!("ter2"))
        ]
    );
    let viewer = app.get(&path).by(ALPHA_VIEWER).send().await;
    assert_eq!(
        (viewer.status.as_u16(), &*viewer.code()),
        (403, "forbidden")
    );
    // There is no address at which one is read.
    let one = app.get(&format!("/v1/secrets/stripe?tenant_id={ALPHA}"));
    assert_eq!(one.by(ALPHA_OWNER).send().await.status, 405);
}
