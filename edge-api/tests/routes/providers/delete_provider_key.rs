use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};

use crate::support::providers::{opened, set};
use crate::support::{TestApp, secrets};

#[sqlx::test(migrations = "../migrations")]
async fn what_is_deleted_is_gone_and_can_be_set_again(pool: PgPool) {
    let app = TestApp::new(pool).await;
    set(&app, ALPHA_OWNER, "openai", "sk-hunter2").await;
    set(&app, ALPHA_OWNER, "gemini", "stays-as-it-is").await;
    // A secret may be called as a provider is.
    secrets::set(&app, ALPHA_OWNER, "openai", "a secret").await;
    let path = format!("/v1/providers/openai?tenant_id={ALPHA}");
    let gone = app.request("DELETE", &path).by(ALPHA_OWNER).send().await;
    assert_eq!((gone.status.as_u16(), gone.text()), (204, ""));
    assert_eq!(opened(&app.pool, "openai").await, None);
    assert_eq!(
        opened(&app.pool, "gemini").await.as_deref(),
        Some("stays-as-it-is")
    );
    let secret = secrets::opened(&app.pool, ALPHA, "openai").await;
    assert_eq!(secret.as_deref(), Some("a secret"));

    let again = app.request("DELETE", &path).by(ALPHA_OWNER).send().await;
    insta::assert_snapshot!(again.snapshot(), @r#"
    404 Not Found
    {
      "code": "not_found",
      "details": null,
      "hint": null,
      "message": "there is no key of your own to this provider"
    }
    "#);
    let told: Vec<String> = sqlx::query_scalar(
        "select action from audit.inbox where subject = 'provider_keys' and subject_id = 'openai' order by id",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(
        told,
        ["security.provider_key_set", "security.provider_key_deleted"]
    );

    set(&app, ALPHA_OWNER, "openai", "sk-hunter3").await;
    assert_eq!(
        opened(&app.pool, "openai").await.as_deref(),
        Some("sk-hunter3")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_provider_that_nobody_knows_is_no_address(pool: PgPool) {
    let app = TestApp::new(pool).await;
    for name in ["OpenAI", "ollama", "openai%20", "*"] {
        let path = format!("/v1/providers/{name}?tenant_id={ALPHA}");
        let answer = app.request("DELETE", &path).by(ALPHA_OWNER).send().await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (404, "no_such_provider"),
            "{name}"
        );
    }
}
