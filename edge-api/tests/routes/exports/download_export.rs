use axum::body::Body;
use axum::http::Request;
use futures::StreamExt;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_ADMIN, ALPHA_OWNER, ALPHA_VIEWER, BETA_OWNER};
use tower::ServiceExt;
use uuid::Uuid;

use crate::support::{Answer, ApiKey, SECRET, TestApp, exports};

async fn download(app: &TestApp, id: Uuid) -> Answer {
    let path = format!("/v1/exports/{id}");
    app.get(&path).by(ALPHA_OWNER).send().await
}

/// An answer that is taken chunk by chunk.
struct Download(axum::body::BodyDataStream);

impl Download {
    async fn begin(app: &TestApp, id: Uuid, credential: &str) -> Self {
        let request = Request::builder()
            .uri(format!("/v1/exports/{id}"))
            .header("authorization", format!("Bearer {credential}"))
            .body(Body::empty());
        let response = app.router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        Self(response.into_body().into_data_stream())
    }

    /// `cut off` when it ends before its end.
    async fn next(&mut self) -> Option<String> {
        let chunk = self.0.next().await?;
        Some(chunk.map_or("cut off".to_owned(), |chunk| {
            String::from_utf8(chunk.to_vec()).unwrap()
        }))
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn all_of_it_in_order(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = exports::ready(&app.pool, &["{\"a\":1}\n{\"a\":2}\n", "{\"a\":3}\n"]).await;
    let answer = download(&app, id).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(
        answer.header("content-disposition").unwrap(),
        format!("attachment; filename=\"export-{id}.ndjson\"")
    );
}

/// From the request to the file, as the worker makes it.
#[sqlx::test(migrations = "../migrations")]
async fn what_a_worker_made(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let execution = app.start(ALPHA_OWNER).await;
    let mut as_owner = ALPHA_OWNER.actor().begin(&app.pool).await.unwrap();
    let id: Uuid = sqlx::query_scalar("select id from public.export_tenant($1)")
        .bind(ALPHA)
        .fetch_one(&mut *as_owner)
        .await
        .unwrap();
    as_owner.commit().await.unwrap();
    insta::assert_snapshot!(download(&app, id).await.snapshot(), @r#"
    409 Conflict
    {
      "code": "export_not_ready",
      "details": null,
      "hint": "watch the table tenant_exports",
      "message": "this export is queued"
    }
    "#);

    let lines: i64 = sqlx::query_scalar("select lines from queue.run_next_export()")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    let answer = download(&app, id).await;
    let objects: Vec<serde_json::Value> = answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len() as i64, lines);
    assert!(answer.text().contains(&execution.to_string()));
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_is_over(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = exports::ready(&app.pool, &["{}\n"]).await;
    sqlx::query("update public.tenant_exports set status = 'expired' where id = $1")
        .bind(id)
        .execute(&app.pool)
        .await
        .unwrap();
    insta::assert_snapshot!(download(&app, id).await.snapshot(), @r#"
    410 Gone
    {
      "code": "export_expired",
      "details": null,
      "hint": "ask for a new one: rpc export_tenant",
      "message": "this export is over"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_is_not_visible_is_404(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = exports::ready(&app.pool, &["{}\n"]).await;
    let path = format!("/v1/exports/{id}");
    let invisible = app.get(&path).by(BETA_OWNER).send().await;
    let absent = download(&app, Uuid::now_v7()).await;
    assert_eq!(invisible.snapshot(), absent.snapshot());
    insta::assert_snapshot!(absent.snapshot(), @r#"
    404 Not Found
    {
      "code": "not_found",
      "details": null,
      "hint": null,
      "message": "there is no such export"
    }
    "#);
    assert_eq!(app.get(&path).by(ALPHA_VIEWER).send().await.status, 403);
}

#[sqlx::test(migrations = "../migrations")]
async fn one_without_a_line(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = exports::ready(&app.pool, &[]).await;
    let answer = download(&app, id).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, ""));
}

/// A part is never taken for the whole.
#[sqlx::test(migrations = "../migrations")]
async fn who_is_removed_gets_no_more(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = exports::ready(&app.pool, &["1\n", "2\n", "3\n"]).await;
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &["tenant.export"]).await;
    let mut by_admin = Download::begin(&app, id, &ALPHA_ADMIN.token(SECRET)).await;
    let mut by_key = Download::begin(&app, id, &key.key).await;
    for download in [&mut by_admin, &mut by_key] {
        assert_eq!(download.next().await.as_deref(), Some("1\n"));
        assert_eq!(download.next().await.as_deref(), Some("2\n"));
    }
    key.revoke(&app.pool, ALPHA_OWNER).await;
    sqlx::query("delete from public.memberships where user_id = $1")
        .bind(ALPHA_ADMIN.id)
        .execute(&app.pool)
        .await
        .unwrap();
    for download in [&mut by_admin, &mut by_key] {
        assert_eq!(download.next().await.as_deref(), Some("cut off"));
        assert_eq!(download.next().await, None);
    }
}

/// As a restart of the database looks from here: the connection is cut while a chunk is being read.
#[sqlx::test(migrations = "../migrations")]
async fn a_cut_connection_does_not_cut_it_off(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = exports::ready(&app.pool, &["1\n", "2\n"]).await;
    let mut download = Download::begin(&app, id, &ALPHA_OWNER.token(SECRET)).await;
    assert_eq!(download.next().await.as_deref(), Some("1\n"));

    let mut holder = app.pool.begin().await.unwrap();
    sqlx::query("lock table private.export_chunks")
        .execute(&mut *holder)
        .await
        .unwrap();
    let cut = async {
        app.wait_until("a chunk is being read, and cut", async |pool| {
            let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                        where datname = current_database() and usename = 'aias_edge' and wait_event_type = 'Lock'";
            sqlx::query_scalar::<_, i64>(cut).fetch_one(pool).await.unwrap() == 1
        })
        .await;
        holder.rollback().await.unwrap();
    };
    let (second, ()) = tokio::join!(download.next(), cut);
    assert_eq!(second.as_deref(), Some("2\n"));
    assert_eq!(download.next().await, None);
}

/// A slow client keeps neither a connection nor more than its share of places.
#[sqlx::test(migrations = "../migrations")]
async fn a_download_that_nobody_takes(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.database_connections = 1;
        configuration.limits.streams_per_user = 2;
    })
    .await;
    let id = exports::ready(&app.pool, &["1\n", "2\n"]).await;
    let first = Download::begin(&app, id, &ALPHA_OWNER.token(SECRET)).await;
    let _second = Download::begin(&app, id, &ALPHA_OWNER.token(SECRET)).await;
    assert_eq!(download(&app, id).await.code(), "too_many_streams");
    drop(first);
    assert_eq!(download(&app, id).await.text(), "1\n2\n");
}
