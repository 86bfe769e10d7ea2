use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_ADMIN, ALPHA_EDITOR, ALPHA_OWNER, BETA, STRANGER};

use crate::support::providers::{opened, set};
use crate::support::{ApiKey, SECRET, TestApp, secrets};

const KEY: &str = "sk-proj-51Hunter2Hunter2";

#[sqlx::test(migrations = "../migrations")]
async fn what_is_set_is_kept_sealed_and_answered_without_the_key(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let answer = set(&app, ALPHA_OWNER, "openai", KEY).await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    200 OK
    {
      "last_four": "ter2",
      "own_key": true,
      "provider": "openai",
      "set_at": "[time]",
      "set_by": "01900000-0000-7000-8000-0000000000a1"
    }
    "#);
    assert_eq!(opened(&app.pool, "openai").await.as_deref(), Some(KEY));

    let kept: String = sqlx::query_scalar(
        "select string_agg(convert_from(decode(replace(encode(v.ciphertext, 'hex'), '00', '01'), 'hex'), 'LATIN1'), '') from private.secret_values v",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert!(!kept.contains("Hunter2"));
}

#[sqlx::test(migrations = "../migrations")]
async fn setting_it_again_replaces_it(pool: PgPool) {
    let app = TestApp::new(pool).await;
    set(&app, ALPHA_OWNER, "gemini", KEY).await;
    let again = set(&app, ALPHA_ADMIN, "gemini", "another-key-of-ours")
        .await
        .json();
    assert_eq!(again["set_by"], json!(ALPHA_ADMIN.id));
    assert_eq!(again["last_four"], "ours");
    assert_eq!(
        opened(&app.pool, "gemini").await.as_deref(),
        Some("another-key-of-ours")
    );
    let short = set(&app, ALPHA_ADMIN, "gemini", "hunter2hun").await.json();
    assert_eq!(
        short["last_four"],
        json!(null),
        "it would tell too much of it"
    );
}

/// A secret and a key to a provider may be called the same, and are two.
#[sqlx::test(migrations = "../migrations")]
async fn a_secret_of_the_same_name_is_something_else(pool: PgPool) {
    let app = TestApp::new(pool).await;
    secrets::set(&app, ALPHA_OWNER, "openai", "the secret").await;
    set(&app, ALPHA_OWNER, "openai", KEY).await;
    secrets::set(&app, ALPHA_OWNER, "openai", "the secret anew").await;
    assert_eq!(opened(&app.pool, "openai").await.as_deref(), Some(KEY));
    let secret = secrets::opened(&app.pool, ALPHA, "openai").await;
    assert_eq!(secret.as_deref(), Some("the secret anew"));
    let list = app.get(&format!("/v1/secrets?tenant_id={ALPHA}"));
    let list = list.by(ALPHA_OWNER).send().await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn the_audit_log_says_who_and_not_what(pool: PgPool) {
    let app = TestApp::new(pool).await;
    set(&app, ALPHA_OWNER, "openai", KEY).await;
    set(&app, ALPHA_OWNER, "openai", KEY).await;
    let told: Vec<Value> = sqlx::query_scalar(
        "select to_jsonb(i) from audit.inbox i where subject = 'provider_keys' order by id",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(told.len(), 2);
    for (entry, replaced) in told.iter().zip([false, true]) {
        assert_eq!(entry["action"], "security.provider_key_set");
        assert_eq!(entry["actor_id"], ALPHA_OWNER.id.to_string());
        assert_eq!(entry["subject_id"], "openai");
        assert_eq!(entry["after"], json!({ "replaced": replaced }));
        assert!(entry["request_id"].is_string(), "{entry}");
        assert!(!entry.to_string().contains("ter2"), "{entry}");
    }
}

/// Named, or the key's, or at whose address it is.
#[sqlx::test(migrations = "../migrations")]
async fn whose_it_is(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.hosts.base_domain = Some("apps.test".parse().unwrap());
    })
    .await;
    let body = json!({ "key": KEY });
    let put = |path: &str| app.request("PUT", path).json(&body);

    let nobodys = put("/v1/providers/openai").by(ALPHA_OWNER).send().await;
    assert_eq!(
        (nobodys.status.as_u16(), &*nobodys.code()),
        (400, "tenant_required")
    );
    let at_host = put("/v1/providers/openai")
        .by(ALPHA_OWNER)
        .header("host", "alpha.apps.test");
    assert_eq!(at_host.send().await.json()["set_by"], json!(ALPHA_OWNER.id));

    // Who may manage providers need not be one who may manage secrets.
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &["providers.manage"]).await;
    let by_key = put("/v1/providers/gemini").bearer(&key.key).send().await;
    assert_eq!(
        (by_key.status.as_u16(), &by_key.json()["set_by"]),
        (200, &json!(null))
    );
    let of_secrets = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &["secrets.manage"]).await;
    let by_other = put("/v1/providers/gemini").bearer(&of_secrets.key).send();
    assert_eq!(by_other.await.status, 403);

    // Of somebody else's tenant nobody is told that it is there.
    for tenant in [BETA, uuid::Uuid::from_u128(1)] {
        let path = format!("/v1/providers/openai?tenant_id={tenant}");
        for answer in [
            put(&path).by(ALPHA_OWNER).send().await,
            put(&path).bearer(&key.key).send().await,
        ] {
            assert_eq!(
                (answer.status.as_u16(), &*answer.code()),
                (404, "not_found")
            );
        }
    }
    let stranger = set(&app, STRANGER, "openai", KEY).await;
    assert_eq!(stranger.status, 404);
    let no_id = put("/v1/providers/openai?tenant_id=alpha")
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(
        (no_id.status.as_u16(), &*no_id.code()),
        (400, "invalid_query")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tenant_that_is_suspended_or_asks_for_a_second_factor(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let change = async |sql: &'static str| {
        sqlx::query(sql)
            .bind(ALPHA)
            .execute(&app.pool)
            .await
            .unwrap();
    };
    change("update public.tenants set requires_second_factor = true where id = $1").await;
    let one = set(&app, ALPHA_OWNER, "openai", KEY).await;
    assert_eq!(
        (one.status.as_u16(), &*one.code()),
        (403, "second_factor_required")
    );
    let mut claims = ALPHA_OWNER.claims();
    claims.aal = "aal2".to_owned();
    let two = app
        .request("PUT", &format!("/v1/providers/openai?tenant_id={ALPHA}"))
        .bearer(&claims.sign(SECRET))
        .json(&json!({ "key": KEY }));
    assert_eq!(two.send().await.status, 200);

    change("update public.tenants set requires_second_factor = false, status = 'suspended' where id = $1").await;
    let suspended = set(&app, ALPHA_OWNER, "openai", KEY).await;
    assert_eq!(
        (suspended.status.as_u16(), &*suspended.code()),
        (403, "tenant_suspended")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_cannot_be_one_is_refused_and_not_repeated(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let unknown = set(&app, ALPHA_OWNER, "ollama", KEY).await;
    insta::assert_snapshot!(unknown.snapshot(), @r#"
    404 Not Found
    {
      "code": "no_such_provider",
      "details": null,
      "hint": "GET /v1/providers lists them",
      "message": "there is no provider of this name"
    }
    "#);
    for key in [
        "",
        "31337ab",
        " sk-31337313373",
        "sk-31337313373\n",
        "sk-31337 313373",
        "sk-31337\u{e9}313373",
        "sk-31337\u{7f}313373",
        &*"31337".repeat(205),
    ] {
        let answer = set(&app, ALPHA_OWNER, "openai", key).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (400, "invalid_provider_key"),
            "{key}"
        );
        assert!(!answer.text().contains("31337"), "{}", answer.text());
    }
    for key in ["hunter2h", &*"x".repeat(1024)] {
        assert_eq!(set(&app, ALPHA_OWNER, "openai", key).await.status, 200);
    }

    for (body, code) in [
        (r#"{"key": 31337313373}"#, "invalid_body"),
        (r#"{"key": {"31337": true}}"#, "invalid_body"),
        (r#"{"key": ["31337"]}"#, "invalid_body"),
        (r#"{"31337": "31337"}"#, "invalid_body"),
        // An address is not taken, and nobody is to believe that it was.
        (
            r#"{"key": "sk-31337313373", "base_url": "http://31337.test"}"#,
            "invalid_body",
        ),
        (r#"{"key": "31337"#, "invalid_json"),
        (r#""31337""#, "invalid_body"),
    ] {
        let answer = app
            .request("PUT", &format!("/v1/providers/openai?tenant_id={ALPHA}"))
            .by(ALPHA_OWNER)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (400, code),
            "{body}"
        );
        assert!(!answer.text().contains("31337"), "{}", answer.text());
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn without_a_master_key_nothing_can_be_sealed(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| configuration.vault = None).await;
    let answer = set(&app, ALPHA_OWNER, "openai", KEY).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (503, "secrets_not_configured")
    );
    // Who may not learns nothing about the service.
    assert_eq!(set(&app, ALPHA_EDITOR, "openai", KEY).await.status, 403);
    let list = app.get(&format!("/v1/providers?tenant_id={ALPHA}"));
    assert_eq!(list.by(ALPHA_OWNER).send().await.status, 200);
}

/// Of a master key that was taken out too early.
#[sqlx::test(migrations = "../migrations")]
async fn a_data_key_that_cannot_be_opened_is_our_fault_and_changes_nothing(pool: PgPool) {
    let app = TestApp::new(pool).await;
    set(&app, ALPHA_OWNER, "openai", KEY).await;
    let rename = async |id: &str| {
        sqlx::query_scalar::<_, String>(
            "update private.tenant_keys k set master_key_id = $1 from private.tenant_keys before
              where before.tenant_id = k.tenant_id returning before.master_key_id",
        )
        .bind(id)
        .fetch_one(&app.pool)
        .await
        .unwrap()
    };
    let ours = rename("mk_gone").await;
    let answer = set(&app, ALPHA_OWNER, "openai", "another-key").await;
    assert_eq!((answer.status.as_u16(), &*answer.code()), (500, "internal"));
    rename(&ours).await;
    assert_eq!(opened(&app.pool, "openai").await.as_deref(), Some(KEY));
}
