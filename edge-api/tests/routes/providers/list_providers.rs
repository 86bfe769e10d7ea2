use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER, ALPHA_VIEWER};

use crate::support::TestApp;
use crate::support::providers::set;

#[sqlx::test(migrations = "../migrations")]
async fn all_of_them_with_or_without_an_own_key(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let path = format!("/v1/providers?tenant_id={ALPHA}");
    let none = |name| json!({"provider": name, "own_key": false, "last_four": null, "set_by": null, "set_at": null});
    assert_eq!(
        app.get(&path).by(ALPHA_OWNER).send().await.json(),
        json!([none("anthropic"), none("gemini"), none("openai")])
    );
    set(&app, ALPHA_OWNER, "openai", "sk-hunter2hunter2").await;
    set(&app, ALPHA_OWNER, "gemini", "hunter2hun").await;
    let list = app.get(&path).by(ALPHA_OWNER).send().await;
    assert!(!list.text().contains("hunter2"), "{}", list.text());
    insta::assert_snapshot!(list.snapshot(), @r#"
    200 OK
    [
      {
        "last_four": null,
        "own_key": false,
        "provider": "anthropic",
        "set_at": null,
        "set_by": null
      },
      {
        "last_four": null,
        "own_key": true,
        "provider": "gemini",
        "set_at": "[time]",
        "set_by": "01900000-0000-7000-8000-0000000000a1"
      },
      {
        "last_four": "ter2",
        "own_key": true,
        "provider": "openai",
        "set_at": "[time]",
        "set_by": "01900000-0000-7000-8000-0000000000a1"
      }
    ]
    "#);

    let viewer = app.get(&path).by(ALPHA_VIEWER).send().await;
    assert_eq!(
        (viewer.status.as_u16(), &*viewer.code()),
        (403, "forbidden")
    );
    // There is no address at which one is read.
    let one = app.get(&format!("/v1/providers/openai?tenant_id={ALPHA}"));
    assert_eq!(one.by(ALPHA_OWNER).send().await.status, 405);
}

/// The table says no to what this service does not know, and this service lists what the table takes.
#[sqlx::test(migrations = "../migrations")]
async fn the_table_knows_the_same(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let listed = app
        .get(&format!("/v1/providers?tenant_id={ALPHA}"))
        .by(ALPHA_OWNER)
        .send()
        .await
        .json();
    let listed: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["provider"].as_str().unwrap().to_owned())
        .collect();
    let taken: Vec<String> = sqlx::query_scalar(
        "select m[1] from pg_catalog.pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''([^'']*)''', 'g') m
          where c.conname = 'provider_is_built_in' order by 1",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(listed, taken);
}
