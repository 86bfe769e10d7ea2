//! A tenant's API key as the credential, on routes that take one.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER, ALPHA_WORKFLOW, BETA, BETA_OWNER};
use uuid::Uuid;

use crate::support::{Answer, ApiKey, TestApp, Worker};

/// Has the shape of a key, and was never made.
const UNKNOWN: &str = "aias_01234567_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

async fn read(app: &TestApp, execution: Uuid, key: &str) -> Answer {
    let path = format!("/v1/executions/{execution}");
    app.get(&path).bearer(key).send().await
}

async fn start(app: &TestApp, key: &str) -> Answer {
    let body = json!({"workflow_id": ALPHA_WORKFLOW});
    let request = app.post("/v1/executions").bearer(key).json(&body);
    request.send().await
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_does_what_its_scopes_say(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let scopes = ["workflows.read", "workflows.execute", "executions.read"];
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    let started = start(&app, &key.key).await;
    assert_eq!(started.status, 202, "{started:?}");
    let row = started.json();
    assert_eq!(row["started_by"], json!(null), "nobody in person");
    let id = serde_json::from_value(row["id"].clone()).unwrap();
    assert_eq!(read(&app, id, &key.key).await.status, 200);
    let cancel = app.post(&format!("/v1/executions/{id}/cancel"));
    let refused = cancel.bearer(&key.key).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (403, "forbidden")
    );
}

/// What a key may not see is not there; what it sees and may not do, it is told so.
#[sqlx::test(migrations = "../migrations")]
async fn a_scope_that_is_missing(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let reader = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &["workflows.read"]).await;
    let other = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &["usage.read"]).await;
    assert_eq!(start(&app, &reader.key).await.status, 403);
    assert_eq!(start(&app, &other.key).await.status, 404);
    assert_eq!(read(&app, id, &reader.key).await.status, 404);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_of_another_tenant_sees_nothing(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let scopes = ["executions.read"];
    let key = ApiKey::create(&app.pool, BETA_OWNER, BETA, &scopes).await;
    let invisible = read(&app, id, &key.key).await;
    assert_eq!(invisible.status, 404);
    let absent = read(&app, Uuid::now_v7(), &key.key).await;
    assert_eq!(invisible.snapshot(), absent.snapshot());
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_is_refused_from_the_moment_it_is_revoked(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let scopes = ["executions.read"];
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    assert_eq!(read(&app, id, &key.key).await.status, 200);
    key.revoke(&app.pool, ALPHA_OWNER).await;
    let refused = read(&app, id, &key.key).await;
    insta::assert_snapshot!(refused.snapshot(), @r#"
    401 Unauthorized
    www-authenticate: Bearer error="invalid_token"
    {
      "code": "invalid_api_key",
      "details": null,
      "hint": "an API key is shown once, when it is made; make another if this one was lost",
      "message": "this API key is unknown, revoked or expired"
    }
    "#);
}

/// Not told apart: whoever tries keys learns nothing about one that was good once.
#[sqlx::test(migrations = "../migrations")]
async fn a_key_that_is_unknown_or_over(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let scopes = ["executions.read"];
    let over = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    over.end_in(&app.pool, -1).await;
    let revoked = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    revoked.revoke(&app.pool, ALPHA_OWNER).await;
    let unknown = read(&app, id, UNKNOWN).await.snapshot();
    assert!(unknown.starts_with("401"), "{unknown}");
    for key in [&over, &revoked] {
        assert_eq!(read(&app, id, &key.key).await.snapshot(), unknown);
    }
    // The name is no secret, and the rest of another key is not one for it.
    let mixed = format!("{}{}", &over.key[..14], &revoked.key[14..]);
    assert_eq!(read(&app, id, &mixed).await.snapshot(), unknown);
}

/// Nobody is asked about what cannot be a key.
#[sqlx::test(migrations = "../migrations")]
async fn what_is_not_a_key(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.database = configuration.database.clone().port(1);
    })
    .await;
    let answer = read(&app, Uuid::nil(), &UNKNOWN[..56]).await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    401 Unauthorized
    www-authenticate: Bearer error="invalid_token"
    {
      "code": "invalid_api_key",
      "details": null,
      "hint": "an API key is shown once, when it is made; make another if this one was lost",
      "message": "this is not a whole API key; one has 57 characters, aias_ and two parts"
    }
    "#);
    assert_eq!(read(&app, Uuid::nil(), UNKNOWN).await.status, 503);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_counts_in_the_authorization_header_only(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let scopes = ["executions.read"];
    let ApiKey { key, .. } = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    let path = format!("/v1/executions/{id}");
    for request in [
        app.get(&path).header("apikey", &key),
        app.get(&path).header("x-api-key", &key),
        app.get(&path).header("cookie", &format!("key={key}")),
        app.get(&path)
            .header("authorization", &format!("Basic {key}")),
        app.get(&format!("{path}?apikey={key}&access_token={key}")),
    ] {
        let answer = request.send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (401, "missing_credential")
        );
    }
}

/// Made-up keys cost one question each, and no transaction as somebody.
#[sqlx::test(migrations = "../migrations")]
async fn an_unknown_key_begins_no_transaction(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| configuration.database_connections = 1).await;
    assert_eq!(read(&app, Uuid::nil(), UNKNOWN).await.status, 401);
    let last = "select query from pg_stat_activity where datname = current_database() and usename = 'aias_edge'";
    let last: Vec<String> = sqlx::query_scalar(last).fetch_all(&app.pool).await.unwrap();
    assert_eq!(last.len(), 1);
    assert!(last[0].contains("edge.authenticate_key"), "{last:?}");
}

#[sqlx::test(migrations = "../migrations")]
async fn its_use_is_noted(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &["usage.read"]).await;
    // Also of a request that fails.
    assert_eq!(read(&app, Uuid::nil(), &key.key).await.status, 404);
    let used = "select last_used_at is not null from public.api_keys where id = $1";
    let used: bool = sqlx::query_scalar(used)
        .bind(key.id)
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert!(used);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_stream_ends_when_its_key_is_revoked(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let scopes = ["executions.read"];
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    let path = format!("/v1/executions/{id}/events");
    let mut events = app.get(&path).bearer(&key.key).stream().await;
    assert_eq!(events.next().await.unwrap().summary(), "execution queued");
    key.revoke(&app.pool, ALPHA_OWNER).await;
    Worker::claim(&app.pool, id).await;
    assert_eq!(events.rest().await, ["error not_found"]);
}

/// With polls an hour apart, only its own clock can have ended it.
#[sqlx::test(migrations = "../migrations")]
async fn a_stream_ends_when_its_key_does(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.limits.poll_interval = Duration::from_secs(3600)
    })
    .await;
    let id = app.start(ALPHA_OWNER).await;
    let scopes = ["executions.read"];
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    key.end_in(&app.pool, 3).await;
    let path = format!("/v1/executions/{id}/events");
    let mut events = app.get(&path).bearer(&key.key).stream().await;
    assert_eq!(
        events.rest().await,
        ["execution queued", "error invalid_api_key"]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_has_streams_of_its_own(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.limits.streams_per_user = 1
    })
    .await;
    let id = app.start(ALPHA_OWNER).await;
    let scopes = ["executions.read"];
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    let path = format!("/v1/executions/{id}/events");
    let _persons = app.events(ALPHA_OWNER, id).await;
    let _keys = app.get(&path).bearer(&key.key).stream().await;
    let refused = app.get(&path).bearer(&key.key).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (429, "too_many_streams")
    );
}
