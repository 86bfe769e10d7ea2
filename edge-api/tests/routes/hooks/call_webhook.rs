use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use serde_json::json;
use sqlx::PgPool;
use tests::seed::ALPHA;

use crate::support::{Answer, Hook, TestApp};

fn unsigned() -> serde_json::Value {
    json!({"kind": "webhook"})
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// By another implementation than the one that checks.
fn signature(secret: &str, signed: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex(hmac::sign(&key, signed).as_ref()))
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

async fn send_signed(
    app: &TestApp,
    hook: &Hook,
    secret: &str,
    at: u64,
    body: &'static [u8],
) -> Answer {
    let signed = [format!("{at}.").as_bytes(), body].concat();
    app.post(&hook.path)
        .header("x-aias-timestamp", &at.to_string())
        .header("x-aias-signature", &signature(secret, &signed))
        .body(body)
        .send()
        .await
}

#[sqlx::test(migrations = "../migrations")]
async fn a_request_starts_the_workflow_and_is_its_input(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, unsigned()).await;
    let body = "{ \"order\":  17.50 }";
    let answer = app
        .post(&format!("{}?from=shop&tag=a&tag=b", hook.path))
        .header("authorization", "Bearer of-the-sender")
        .header("X-Event", "order.paid")
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    202 Accepted
    {
      "execution_id": "[id]"
    }
    "#);
    assert_eq!(
        hook.started().await,
        [json!({
            "method": "POST",
            "headers": {"x-event": "order.paid", "content-type": "application/json"},
            "query": {"from": "shop", "tag": ["a", "b"]},
            "body": {"order": 17.50},
            "raw": body,
            "encoding": "utf8"
        })]
    );
    let queued: bool =
        sqlx::query_scalar("select exists (select from queue.jobs where execution_id = $1::uuid)")
            .bind(answer.json()["execution_id"].as_str())
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert!(queued);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_delivery_that_is_repeated_starts_nothing(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, unsigned()).await;
    for header in ["idempotency-key", "webhook-id", "x-github-delivery"] {
        let mut ids = Vec::new();
        for attempt in ["1", "2"] {
            let request = app.post(&hook.path).header(header, &format!("{header}-1"));
            let answer = request.header("x-attempt", attempt).send().await;
            assert_eq!(answer.status, 202, "{answer:?}");
            ids.push(answer.json()["execution_id"].clone());
        }
        assert_eq!(ids[0], ids[1], "{header}");
    }
    assert_eq!(hook.started().await.len(), 3);
    for _ in 0..2 {
        assert_eq!(app.post(&hook.path).send().await.status, 202);
    }
    assert_eq!(hook.started().await.len(), 5, "without a key each is new");
    for key in ["", &"k".repeat(256)] {
        let answer = app
            .post(&hook.path)
            .header("idempotency-key", key)
            .send()
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, "invalid_idempotency_key")
        );
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn an_address_that_is_nobodys(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, unsigned()).await;
    let unknown = app
        .post("/hooks/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
        .send()
        .await;
    insta::assert_snapshot!(unknown.snapshot(), @r#"
    404 Not Found
    {
      "code": "no_such_hook",
      "details": null,
      "hint": null,
      "message": "there is no webhook at this address"
    }
    "#);
    let old = hook.path.clone();
    let new = hook.rpc("rotate_webhook").await;
    assert_ne!(old, new);
    for path in [
        old.as_str(),
        "/hooks/x",
        "/hooks/%00",
        &new[..new.len() - 1],
        &new.to_uppercase().replace("HOOKS", "hooks"),
    ] {
        let answer = app.post(path).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "no_such_hook"),
            "{path}"
        );
    }
    assert_eq!(app.post(&new).send().await.status, 202);
    assert_eq!(app.get(&new).send().await.status, 405);
    // Published with another trigger, it has an address no more.
    hook.is("nodes = '[{\"id\": \"start\", \"type\": \"trigger\", \"config\": {\"kind\": \"manual\"}}]'").await;
    assert_eq!(app.post(&new).send().await.code(), "no_such_hook");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_workflow_or_tenant_that_is_not_active(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, unsigned()).await;
    hook.is("status = 'paused'").await;
    let answer = app.post(&hook.path).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (409, "workflow_not_active")
    );
    hook.is("status = 'active'").await;
    assert_eq!(
        app.post(&hook.path).send().await.status,
        202,
        "the address is the same"
    );
    for status in ["suspended", "cancelled"] {
        sqlx::query("update public.tenants set status = $2 where id = $1")
            .bind(ALPHA)
            .bind(status)
            .execute(&app.pool)
            .await
            .unwrap();
        let answer = app.post(&hook.path).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (403, format!("tenant_{status}"))
        );
    }
    assert_eq!(hook.started().await.len(), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_plan_that_is_used_up(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, unsigned()).await;
    let limit = async |limits: &str| {
        sqlx::query("update public.tenants set limit_overrides = $2::jsonb where id = $1")
            .bind(ALPHA)
            .bind(limits)
            .execute(&app.pool)
            .await
            .unwrap();
    };
    limit(r#"{"executions": 1}"#).await;
    assert_eq!(
        app.post(&hook.path)
            .header("webhook-id", "1")
            .send()
            .await
            .status,
        202
    );
    let answer = app.post(&hook.path).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (402, "quota_exceeded")
    );
    limit(r#"{"requests_per_minute": 0}"#).await;
    let answer = app.post(&hook.path).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (429, "rate_limited")
    );
    assert!(answer.header("retry-after").is_some());
    // What is repeated starts nothing, and is answered.
    assert_eq!(
        app.post(&hook.path)
            .header("webhook-id", "1")
            .send()
            .await
            .status,
        202
    );
    assert_eq!(hook.started().await.len(), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_signature_is_checked(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, json!({"kind": "webhook", "signed": true})).await;
    let code = async |request: crate::support::app::TestRequest<'_>| {
        let answer = request.send().await;
        (answer.status.as_u16(), answer.code())
    };
    let refused = |code: &str| (401, code.to_owned());

    // Drawn as signed, and there is no secret yet: nothing is right.
    let empty = signature("", format!("{}.x", now()).as_bytes());
    let request = app
        .post(&hook.path)
        .header("x-aias-timestamp", &now().to_string());
    assert_eq!(
        code(request.header("x-aias-signature", &empty).body("x")).await,
        refused("signature_invalid")
    );

    let secret = hook.rpc("enable_hook_signing").await;
    assert_eq!(
        code(app.post(&hook.path).body("x")).await,
        refused("signature_missing")
    );
    assert_eq!(
        send_signed(&app, &hook, &secret, now(), b"x").await.status,
        202
    );
    assert_eq!(
        send_signed(&app, &hook, &secret, now() - 240, b"\0\xff")
            .await
            .status,
        202
    );
    for at in [now() - 301, now() + 310] {
        assert_eq!(
            send_signed(&app, &hook, &secret, at, b"x").await.code(),
            "signature_expired"
        );
    }
    assert_eq!(
        send_signed(&app, &hook, "another", now(), b"x")
            .await
            .code(),
        "signature_invalid"
    );
    let of_x = signature(&secret, format!("{}.x", now()).as_bytes());
    for (signature, at, body) in [
        (of_x.as_str(), now().to_string(), "y"),
        (of_x.as_str(), (now() + 1).to_string(), "x"),
        (&of_x[..of_x.len() - 1], now().to_string(), "x"),
        (&of_x[7..], now().to_string(), "x"),
        ("", now().to_string(), "x"),
        ("sha256=", now().to_string(), "x"),
    ] {
        let request = app.post(&hook.path).header("x-aias-timestamp", &at);
        assert_eq!(
            code(request.header("x-aias-signature", signature).body(body)).await,
            refused("signature_invalid"),
            "{signature}"
        );
    }
    for at in ["", "soon", "-1", "99999999999999999999"] {
        let request = app.post(&hook.path).header("x-aias-timestamp", at);
        assert_eq!(
            code(request.header("x-aias-signature", &of_x).body("x")).await,
            refused("signature_expired"),
            "{at}"
        );
    }
    let challenge = app.post(&hook.path).send().await;
    assert_eq!(challenge.header("www-authenticate"), Some("HMAC-SHA256"));
    assert_eq!(hook.started().await.len(), 2);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_was_recorded_starts_nothing_again(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, unsigned()).await;
    let secret = hook.rpc("enable_hook_signing").await;
    let at = now();
    let first = send_signed(&app, &hook, &secret, at, b"x").await.json();
    assert_eq!(
        send_signed(&app, &hook, &secret, at, b"x").await.json(),
        first
    );
    assert_eq!(hook.started().await.len(), 1);
    // Signed anew, it is meant anew.
    assert_ne!(
        send_signed(&app, &hook, &secret, at - 1, b"x").await.json(),
        first
    );
}

/// As GitHub does it: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
#[sqlx::test(migrations = "../migrations")]
async fn github_signs_the_body_alone(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, unsigned()).await;
    let secret = hook.rpc("enable_hook_signing").await;
    let send = async |signature: &str| {
        let request = app
            .post(&hook.path)
            .header("x-hub-signature-256", signature);
        let request = request.header("x-github-delivery", "72d3162e").body("{}");
        request.send().await.status.as_u16()
    };
    assert_eq!(send(&signature(&secret, b"{}")).await, 202);
    assert_eq!(send(&signature(&secret, b"{ }")).await, 401);
    let new = hook.rpc("enable_hook_signing").await;
    assert_eq!(
        send(&signature(&secret, b"{}")).await,
        401,
        "the secret is another one"
    );
    assert_eq!(send(&signature(&new, b"{}")).await, 202);
    sqlx::query("update private.webhooks set signing_secret = null")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(
        send("sha256=nonsense").await,
        202,
        "nothing is checked any more"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_body_has_an_end(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, unsigned()).await;
    // Control characters are the longest in JSON: the input of this is six times as long, twice.
    let largest = "\u{1}".repeat(1024 * 1024);
    assert_eq!(
        app.post(&hook.path)
            .body(largest.clone())
            .send()
            .await
            .status,
        202
    );
    assert_eq!(hook.started().await[0]["raw"], largest.as_str());
    let answer = app
        .post(&hook.path)
        .body(format!("{largest}x"))
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (413, "body_too_large")
    );
}

/// Whoever has the address may start the workflow: it is in no log.
#[sqlx::test(migrations = "../migrations")]
async fn the_secret_and_the_token_are_nowhere_that_people_read(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let hook = Hook::publish(&app.pool, unsigned()).await;
    let secret = hook.rpc("enable_hook_signing").await;
    let token = hook.path.trim_start_matches("/hooks/");
    send_signed(&app, &hook, &secret, now(), b"x").await;
    let told: bool = sqlx::query_scalar(
        "select exists (select from audit.inbox i where i::text ~ $1 or i::text ~ $2)
             or exists (select from public.executions e where e::text ~ $1 or e::text ~ $2)
             or exists (select from private.tenant_data d where d::text ~ $1 or d::text ~ $2)",
    )
    .bind(token)
    .bind(&secret)
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert!(!told);
}
