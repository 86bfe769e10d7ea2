use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_ADMIN, ALPHA_EDITOR, ALPHA_OWNER, BETA, BETA_OWNER, STRANGER};

use crate::support::secrets::{opened, set};
use crate::support::{ApiKey, SECRET, TestApp};

const VALUE: &str = "sk_live_51Hunter2Hunter2";

#[sqlx::test(migrations = "../migrations")]
async fn what_is_set_is_kept_sealed_and_answered_without_its_value(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let answer = set(&app, ALPHA_OWNER, "stripe", VALUE).await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    200 OK
    {
      "created_at": "[time]",
      "created_by": "01900000-0000-7000-8000-0000000000a1",
      "last_four": "ter2",
      "name": "stripe",
      "tenant_id": "01900000-0000-7000-8000-00000000a000",
      "updated_at": "[time]",
      "updated_by": "01900000-0000-7000-8000-0000000000a1"
    }
    "#);
    assert_eq!(
        opened(&app.pool, ALPHA, "stripe").await.as_deref(),
        Some(VALUE)
    );

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
    set(&app, ALPHA_OWNER, "stripe", VALUE).await;
    let again = set(&app, ALPHA_ADMIN, "stripe", "another value")
        .await
        .json();
    assert_eq!(again["created_by"], json!(ALPHA_OWNER.id));
    assert_eq!(again["updated_by"], json!(ALPHA_ADMIN.id));
    assert_eq!(again["last_four"], "alue");
    assert_eq!(
        opened(&app.pool, ALPHA, "stripe").await.as_deref(),
        Some("another value")
    );
    let short = set(&app, ALPHA_ADMIN, "stripe", "hunter2").await.json();
    assert_eq!(short["last_four"], json!(null), "it would tell half of it");
}

#[sqlx::test(migrations = "../migrations")]
async fn the_audit_log_says_who_and_not_what(pool: PgPool) {
    let app = TestApp::new(pool).await;
    set(&app, ALPHA_OWNER, "stripe", VALUE).await;
    set(&app, ALPHA_OWNER, "stripe", VALUE).await;
    let told: Vec<Value> = sqlx::query_scalar(
        "select to_jsonb(i) from audit.inbox i where subject = 'tenant_secrets' order by id",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(told.len(), 2);
    for entry in told {
        assert_eq!(entry["action"], "security.secret_set");
        assert_eq!(entry["actor_kind"], "user");
        assert_eq!(entry["actor_id"], ALPHA_OWNER.id.to_string());
        assert_eq!(entry["subject_id"], "stripe");
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
    let body = json!({ "value": VALUE });
    let put = |path: &str| app.request("PUT", path).json(&body);

    let nobodys = put("/v1/secrets/a").by(ALPHA_OWNER).send().await;
    assert_eq!(
        (nobodys.status.as_u16(), &*nobodys.code()),
        (400, "tenant_required")
    );
    let at_host = put("/v1/secrets/a")
        .by(ALPHA_OWNER)
        .header("host", "alpha.apps.test");
    assert_eq!(at_host.send().await.json()["tenant_id"], json!(ALPHA));

    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &["secrets.manage"]).await;
    let by_key = put("/v1/secrets/b").bearer(&key.key).send().await;
    assert_eq!(by_key.json()["tenant_id"], json!(ALPHA));
    assert_eq!(by_key.json()["created_by"], json!(null));

    // Of somebody else's tenant nobody is told that it is there.
    for tenant in [BETA, uuid::Uuid::from_u128(1)] {
        let path = format!("/v1/secrets/a?tenant_id={tenant}");
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
    let stranger = set(&app, STRANGER, "a", VALUE).await;
    assert_eq!(stranger.status, 404);
    let no_id = put("/v1/secrets/a?tenant_id=alpha")
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(
        (no_id.status.as_u16(), &*no_id.code()),
        (400, "invalid_query")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn the_same_name_of_two_tenants_is_two_secrets(pool: PgPool) {
    let app = TestApp::new(pool).await;
    set(&app, ALPHA_OWNER, "stripe", VALUE).await;
    app.request("PUT", &format!("/v1/secrets/stripe?tenant_id={BETA}"))
        .by(BETA_OWNER)
        .json(&json!({"value": "that of beta"}))
        .send()
        .await;
    assert_eq!(
        opened(&app.pool, ALPHA, "stripe").await.as_deref(),
        Some(VALUE)
    );
    assert_eq!(
        opened(&app.pool, BETA, "stripe").await.as_deref(),
        Some("that of beta")
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
    let one = set(&app, ALPHA_OWNER, "a", VALUE).await;
    assert_eq!(
        (one.status.as_u16(), &*one.code()),
        (403, "second_factor_required")
    );
    let mut claims = ALPHA_OWNER.claims();
    claims.aal = "aal2".to_owned();
    let two = app
        .request("PUT", &format!("/v1/secrets/a?tenant_id={ALPHA}"))
        .bearer(&claims.sign(SECRET))
        .json(&json!({ "value": VALUE }));
    assert_eq!(two.send().await.status, 200);

    change("update public.tenants set requires_second_factor = false, status = 'suspended' where id = $1").await;
    let suspended = set(&app, ALPHA_OWNER, "a", VALUE).await;
    assert_eq!(
        (suspended.status.as_u16(), &*suspended.code()),
        (403, "tenant_suspended")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_cannot_be_one_is_refused_and_not_repeated(pool: PgPool) {
    let app = TestApp::new(pool).await;
    for name in ["1a", "a-b", "a.b", "a%20b", "%C3%A9", &"x".repeat(65)] {
        let answer = set(&app, ALPHA_OWNER, name, VALUE).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (400, "invalid_secret_name"),
            "{name}"
        );
    }
    for (value, status, code) in [
        ("", 400, "secret_too_short"),
        ("abc", 400, "secret_too_short"),
        (&*"x".repeat(16 * 1024 + 1), 413, "secret_too_large"),
    ] {
        let answer = set(&app, ALPHA_OWNER, "a", value).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (status, code));
    }
    assert_eq!(
        set(&app, ALPHA_OWNER, "a", &"é".repeat(8 * 1024))
            .await
            .status,
        200
    );

    for (body, code) in [
        (r#"{"value": 31337313373}"#, "invalid_body"),
        (r#"{"value": {"31337": true}}"#, "invalid_body"),
        (r#"{"value": ["31337"]}"#, "invalid_body"),
        (r#"{"31337": "31337"}"#, "invalid_body"),
        (r#"{"value": "31337"#, "invalid_json"),
        (r#""31337""#, "invalid_body"),
    ] {
        let answer = app
            .request("PUT", &format!("/v1/secrets/a?tenant_id={ALPHA}"))
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
    let answer = set(&app, ALPHA_OWNER, "a", VALUE).await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    503 Service Unavailable
    {
      "code": "secrets_not_configured",
      "details": null,
      "hint": "ask the operator to set AIAS_MASTER_KEY or AIAS_MASTER_KEY_FILE",
      "message": "this service was given no master key, so it can neither seal nor open secrets and keys"
    }
    "#);
    // Who may not learns nothing about the service.
    assert_eq!(set(&app, ALPHA_EDITOR, "a", VALUE).await.status, 403);
    let list = app.get(&format!("/v1/secrets?tenant_id={ALPHA}"));
    assert_eq!(list.by(ALPHA_OWNER).send().await.status, 200);
}

/// Of a master key that was taken out too early.
#[sqlx::test(migrations = "../migrations")]
async fn a_key_that_cannot_be_opened_is_our_fault_and_changes_nothing(pool: PgPool) {
    let app = TestApp::new(pool).await;
    set(&app, ALPHA_OWNER, "a", VALUE).await;
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
    let answer = set(&app, ALPHA_OWNER, "a", "another value").await;
    assert_eq!((answer.status.as_u16(), &*answer.code()), (500, "internal"));
    rename(&ours).await;
    assert_eq!(opened(&app.pool, ALPHA, "a").await.as_deref(), Some(VALUE));
}
