//! What is answered to tokens that are not good enough. Which claims are, is tested beside `auth::claims`.

use serde_json::json;
use sqlx::PgPool;
use tests::jwt::sign;
use tests::seed::{ALPHA, ALPHA_OWNER, ALPHA_VIEWER, STRANGER};

use crate::support::{ApiKey, SECRET, TestApp};

#[sqlx::test(migrations = "../migrations")]
async fn each_reason_has_its_code(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let path = format!("/v1/executions/{}", uuid::Uuid::nil());
    insta::assert_snapshot!(app.get(&path).send().await.snapshot(), @r#"
    401 Unauthorized
    www-authenticate: Bearer
    {
      "code": "missing_credential",
      "details": null,
      "hint": "send a session's access token or a tenant's API key: Authorization: Bearer <credential>",
      "message": "sign in to do this"
    }
    "#);
    insta::assert_snapshot!(app.get(&path).bearer("a.b.c").send().await.snapshot(), @r#"
    401 Unauthorized
    www-authenticate: Bearer error="invalid_token"
    {
      "code": "invalid_token",
      "details": null,
      "hint": null,
      "message": "the token is not a JWT that is served here"
    }
    "#);
    insta::assert_snapshot!(app.get(&path).bearer(&ALPHA_OWNER.claims().expired().sign(SECRET)).send().await.snapshot(), @r#"
    401 Unauthorized
    www-authenticate: Bearer error="invalid_token"
    {
      "code": "token_expired",
      "details": null,
      "hint": "refresh the session and try again",
      "message": "this access token is no longer valid"
    }
    "#);
    insta::assert_snapshot!(app.get(&path).header("authorization", "Basic b3duZXI6eA==").send().await.snapshot(), @r#"
    401 Unauthorized
    www-authenticate: Bearer
    {
      "code": "missing_credential",
      "details": null,
      "hint": "send a session's access token or a tenant's API key: Authorization: Bearer <credential>",
      "message": "sign in to do this"
    }
    "#);
}

/// supabase-js sends the project's public key when nobody is signed in.
#[sqlx::test(migrations = "../migrations")]
async fn the_anon_key_names_nobody(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let anon = sign(
        &json!({"role": "anon", "iss": "supabase", "exp": 4_000_000_000_u64}),
        SECRET,
    );
    let answer = app
        .get(&format!("/v1/executions/{}", uuid::Uuid::nil()))
        .bearer(&anon)
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (401, "missing_credential")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn the_service_role_is_not_served(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let service = sign(
        &json!({"role": "service_role", "exp": 4_000_000_000_u64}),
        SECRET,
    );
    let answer = app
        .get(&format!("/v1/executions/{}", uuid::Uuid::nil()))
        .bearer(&service)
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (401, "invalid_token")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn two_credentials_are_none(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let request = app
        .get(&format!("/v1/executions/{}", uuid::Uuid::nil()))
        .by(ALPHA_OWNER)
        .by(ALPHA_VIEWER);
    assert_eq!(request.send().await.code(), "invalid_token");
}

/// Claims are text of somebody else's making, and travel into a statement.
#[sqlx::test(migrations = "../migrations")]
async fn nothing_in_a_claim_can_leave_its_place(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    for hostile in [
        "'; reset role; --",
        "\\'; reset role; --",
        "$$; commit; --",
        "é\u{1F980}\n",
        "''",
        "\\x27",
    ] {
        let mut claims = serde_json::to_value(ALPHA_VIEWER.claims()).unwrap();
        claims["email"] = json!(hostile);
        claims["user_metadata"] = json!({"name": hostile, hostile: 1});
        let token = sign(&claims, SECRET);
        let read = app
            .get(&format!("/v1/executions/{id}"))
            .bearer(&token)
            .send()
            .await;
        assert_eq!(read.status, 200, "{hostile:?}: {}", read.text());
        let cancel = app
            .post(&format!("/v1/executions/{id}/cancel"))
            .bearer(&token)
            .send()
            .await;
        assert_eq!(cancel.status, 403, "{hostile:?}: {}", cancel.text());
    }
}

/// Postgres' JSON has no NUL, and no Auth server keeps one. A token that has is no way in, and no fault of ours.
#[sqlx::test(migrations = "../migrations")]
async fn a_claim_that_postgres_cannot_read(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let mut claims = serde_json::to_value(ALPHA_OWNER.claims()).unwrap();
    claims["user_metadata"] = json!({"name": "\u{0}"});
    let path = format!("/v1/executions/{id}");
    let answer = app.get(&path).bearer(&sign(&claims, SECRET)).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (400, "invalid_value")
    );
}

/// Policies take whoever has this claim for that key; a token is not one, whoever signed it.
#[sqlx::test(migrations = "../migrations")]
async fn a_token_that_says_that_it_is_a_key(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let scopes = ["executions.read"];
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    let mut claims = serde_json::to_value(STRANGER.claims()).unwrap();
    claims["api_key_id"] = json!(key.id);
    let path = format!("/v1/executions/{id}");
    let answer = app.get(&path).bearer(&sign(&claims, SECRET)).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (401, "invalid_token")
    );
}

/// Role and claims of one caller are gone from the connection before the next uses it.
#[sqlx::test(migrations = "../migrations")]
async fn a_connection_forgets_its_caller(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| configuration.database_connections = 1).await;
    let id = app.start(ALPHA_OWNER).await;
    for _ in 0..3 {
        assert_eq!(
            app.get(&format!("/v1/executions/{id}"))
                .by(ALPHA_OWNER)
                .send()
                .await
                .status,
            200
        );
        assert_eq!(
            app.get(&format!("/v1/executions/{id}"))
                .by(STRANGER)
                .send()
                .await
                .status,
            404
        );
        // Refused in the middle of its transaction.
        assert_eq!(
            app.post(&format!("/v1/executions/{id}/cancel"))
                .by(STRANGER)
                .send()
                .await
                .status,
            404
        );
    }
}
