use axum::body::Body;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::stripe::{event, now, signature};
use crate::support::{Answer, STRIPE_SECRET, TestApp};

async fn send(app: &TestApp, signature: &str, body: impl Into<Body>) -> Answer {
    app.post("/webhooks/stripe")
        .header("stripe-signature", signature)
        .header("content-type", "application/json; charset=utf-8")
        .body(body)
        .send()
        .await
}

async fn send_signed(app: &TestApp, body: &str) -> Answer {
    let signature = signature(STRIPE_SECRET, now(), body);
    send(app, &signature, body.to_owned()).await
}

async fn kept(app: &TestApp) -> Vec<Value> {
    sqlx::query_scalar("select payload from billing.events order by id")
        .fetch_all(&app.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn an_event_is_kept_once(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let mut told = event("evt_1");
    told["account"] = json!("acct_1");
    for _ in 0..2 {
        let answer = send_signed(&app, &told.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, ""));
    }
    // The same id with other words is the same event.
    let mut other = told.clone();
    other["type"] = json!("customer.deleted");
    assert_eq!(send_signed(&app, &other.to_string()).await.status, 200);
    assert_eq!(kept(&app).await, [told]);
    let row: Value = sqlx::query_scalar(
        "select to_jsonb(e) - array['payload', 'received_at', 'next_attempt_at'] from billing.events e",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(
        row,
        json!({
            "id": "evt_1", "type": "customer.updated", "created": "2023-11-14T22:13:20+00:00", "api_version": "2025-03-31.basil",
            "account": "acct_1", "livemode": false, "state": "received", "attempts": 0, "problem": null, "finished_at": null,
        })
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_postgres_cannot_write_is_no_reason_to_refuse_an_event(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let mut told = event("evt_1");
    told["data"]["object"]["metadata"] = json!({"note": "a\u{0}b\\u0000"});
    assert_eq!(send_signed(&app, &told.to_string()).await.status, 200);
    told["data"]["object"]["metadata"] = json!({"note": "a\u{fffd}b\\u0000"});
    assert_eq!(kept(&app).await, [told]);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_stripe_has_not_signed_changes_nothing(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let body = event("evt_1").to_string();
    let good = signature(STRIPE_SECRET, now(), &body);
    let pretty = format!("{:#}", event("evt_1"));
    for (signature, body, code) in [
        (good.clone(), pretty.as_str(), "signature_invalid"),
        (good.clone(), &body[..body.len() - 1], "signature_invalid"),
        (
            signature("whsec_else", now(), &body),
            &body,
            "signature_invalid",
        ),
        ("t=1,v1=00".to_owned(), &body, "signature_invalid"),
        (
            signature(STRIPE_SECRET, now() - 310, &body),
            &body,
            "signature_expired",
        ),
        (
            signature(STRIPE_SECRET, now() + 310, &body),
            &body,
            "signature_expired",
        ),
    ] {
        let answer = send(&app, &signature, body.to_owned()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, code)
        );
    }
    let answer = app.post("/webhooks/stripe").body(body).send().await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    400 Bad Request
    {
      "code": "signature_missing",
      "details": null,
      "hint": null,
      "message": "a request from Stripe has the header Stripe-Signature"
    }
    "#);
    assert_eq!(kept(&app).await, Vec::<Value>::new());
}

#[sqlx::test(migrations = "../migrations")]
async fn what_cannot_be_an_event_is_refused_without_harm_to_others(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let good: Vec<_> = (0..40)
        .map(|n| event(&format!("evt_{n}")).to_string())
        .collect();
    let bad = [
        "",
        "{",
        "[]",
        "{}",
        r#"{"id": "evt_x", "type": "x", "created": "now"}"#,
    ];
    let all = futures::future::join_all(
        bad.iter()
            .copied()
            .chain(good.iter().map(String::as_str))
            .map(|body| send_signed(&app, body)),
    )
    .await;
    for answer in &all[..bad.len()] {
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, "invalid_event")
        );
    }
    assert!(all[bad.len()..].iter().all(|answer| answer.status == 200));
    assert_eq!(kept(&app).await.len(), good.len());

    let not_text = [0x7b, 0xff, 0x7d];
    let signed = aws_lc_rs::hmac::sign(
        &aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, STRIPE_SECRET.as_bytes()),
        &[format!("{}.", now()).as_bytes(), &not_text].concat(),
    );
    let hex: String = signed
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let answer = send(&app, &format!("t={},v1={hex}", now()), not_text.to_vec()).await;
    assert_eq!(answer.code(), "invalid_event");

    let long = format!(
        "{{\"id\": \"evt_long\", \"text\": \"{}\"}}",
        "x".repeat(1024 * 1024)
    );
    let answer = send_signed(&app, &long).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (413, "body_too_large")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn two_secrets_are_good_while_one_is_replaced_and_none_takes_nothing(pool: PgPool) {
    let app = TestApp::with(pool.clone(), |configuration| {
        configuration.stripe_secrets =
            edge_api::stripe::WebhookSecrets::of(["whsec_new", "whsec_old"]);
    })
    .await;
    for (number, secret) in ["whsec_new", "whsec_old"].iter().enumerate() {
        let body = event(&format!("evt_{number}")).to_string();
        let answer = send(&app, &signature(secret, now(), &body), body).await;
        assert_eq!(answer.status, 200);
    }
    let app = TestApp::with(pool, |configuration| {
        configuration.stripe_secrets = Default::default()
    })
    .await;
    let answer = send_signed(&app, &event("evt_3").to_string()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (503, "stripe_not_configured")
    );
    assert_eq!(kept(&app).await.len(), 2);
}
