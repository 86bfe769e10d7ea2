use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};

use crate::support::TestApp;
use crate::support::secrets::{opened, set};

#[sqlx::test(migrations = "../migrations")]
async fn what_is_deleted_is_gone_and_can_be_set_again(pool: PgPool) {
    let app = TestApp::new(pool).await;
    set(&app, ALPHA_OWNER, "stripe", "hunter2").await;
    set(&app, ALPHA_OWNER, "other", "stays as it is").await;
    let path = format!("/v1/secrets/stripe?tenant_id={ALPHA}");
    let gone = app.request("DELETE", &path).by(ALPHA_OWNER).send().await;
    assert_eq!((gone.status.as_u16(), gone.text()), (204, ""));
    assert_eq!(opened(&app.pool, ALPHA, "stripe").await, None);
    assert_eq!(
        opened(&app.pool, ALPHA, "other").await.as_deref(),
        Some("stays as it is")
    );

    let again = app.request("DELETE", &path).by(ALPHA_OWNER).send().await;
    assert_eq!((again.status.as_u16(), &*again.code()), (404, "not_found"));
    assert_eq!(again.json()["message"], "there is no such secret");
    let told: Vec<String> = sqlx::query_scalar(
        "select action from audit.inbox where subject = 'tenant_secrets' and subject_id = 'stripe' order by id",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(told, ["security.secret_set", "security.secret_deleted"]);

    let anew = set(&app, ALPHA_OWNER, "stripe", "hunter3").await;
    assert_eq!(anew.json()["last_four"], json!(null));
    assert_eq!(
        opened(&app.pool, ALPHA, "stripe").await.as_deref(),
        Some("hunter3")
    );
}
