//! What is written down, and what never is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::{ApiKey, SECRET, TestApp, providers, secrets};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// At the chattiest level, libraries included.
#[sqlx::test(migrations = "../migrations")]
async fn no_credential_and_no_claim(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let written = Written::default();
    let writer = written.clone();
    let _guard = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("trace"))
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .set_default();

    let token = ALPHA_OWNER.token(SECRET);
    let id = app.start(ALPHA_OWNER).await;
    app.events(ALPHA_OWNER, id).await.next().await;
    let path = format!("/v1/executions/{id}?apikey=hunter2");
    app.get(&path)
        .bearer(&token)
        .header("x-request-id", "find-me")
        .header("cookie", "hunter2")
        .send()
        .await;
    app.get(&path)
        .bearer(&ALPHA_OWNER.claims().expired().sign(SECRET))
        .send()
        .await;
    let scopes = ["executions.read"];
    let api_key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    let key = api_key.key.clone();
    let unknown = format!("aias_0badcafe_{}", "hunter3".repeat(7).split_at(43).0);
    for key in [&key, &unknown, &unknown[..50]] {
        app.get(&path).bearer(key).send().await;
    }
    let events = format!("/v1/executions/{id}/events");
    let mut events = app.get(&events).bearer(&key).stream().await;
    events.next().await;
    api_key.revoke(&app.pool, ALPHA_OWNER).await;
    events.rest().await;
    app.get(&path).bearer(&key).send().await;
    secrets::set(&app, ALPHA_OWNER, "stripe", "hunter4hunter4").await;
    providers::set(&app, ALPHA_OWNER, "openai", "sk-hunter5hunter5").await;
    app.pool.close().await;

    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains(r#"request_id="find-me" method="GET" route="/v1/executions/{id}""#),
        "{log}"
    );
    let signature = token.rsplit('.').next().unwrap();
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let email_in_hex = hex(ALPHA_OWNER.email.as_bytes());
    let key_hash: [u8; 32] = Sha256::digest(&key).into();
    for secret in [
        SECRET,
        &token,
        signature,
        "hunter2",
        ALPHA_OWNER.email,
        &email_in_hex,
        &key,
        &key[14..],
        &hex(key.as_bytes()),
        &hex(&key_hash),
        &format!("{key_hash:?}"),
        "hunter3",
        "hunter4",
        "hunter5",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
