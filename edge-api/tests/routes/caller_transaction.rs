//! What the database sees of a caller.

use std::future::{Future, poll_fn};
use std::task::Poll;

use sqlx::{AssertSqlSafe, Executor, PgPool};
use tests::seed::{ALPHA, ALPHA_OWNER};
use uuid::Uuid;

use crate::support::{ApiKey, TestApp};

/// Everything that a policy or a function can ask for, said as a refusal.
const WHO: &str = r#"
    raise exception '% reads as % (read only: %): % % %, aal %, key of %, within %, headers %',
      session_user, current_user, current_setting('transaction_read_only'),
      auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'aal', auth.jwt() ->> 'tenant_id', current_setting('statement_timeout'),
      current_setting('request.headers')
"#;

async fn arrange(app: &TestApp) {
    let sql = format!(
        "create function private.who() returns boolean language plpgsql as $body$ begin {WHO}; end $body$;
         grant execute on function private.who() to authenticated;
         drop policy \"members with executions.read read executions\" on public.executions;
         create policy who on public.executions for select to authenticated using (private.who());
         create or replace function public.cancel_execution(execution_id uuid) returns public.executions
           language plpgsql as $body$ begin {WHO}; end $body$;"
    );
    app.pool
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn a_get_reads_as_its_caller(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    arrange(&app).await;
    for path in [
        format!("/v1/executions/{id}"),
        format!("/v1/executions/{id}/events"),
    ] {
        let request = app.get(&path).header("x-request-id", "test-1");
        let answer = request.by(ALPHA_OWNER).send().await.json();
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer["message"].as_str().unwrap(), @r#"aias_edge reads as authenticated (read only: on): 01900000-0000-7000-8000-0000000000a1 authenticated owner@alpha.test, aal aal1, key of <NULL>, within 15s, headers {"x-request-id":"test-1"}"#);
        }
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_post_writes_as_its_caller(pool: PgPool) {
    let app = TestApp::new(pool).await;
    arrange(&app).await;
    let path = format!("/v1/executions/{}/cancel", Uuid::nil());
    let request = app.post(&path).header("x-request-id", "test-1");
    let answer = request.by(ALPHA_OWNER).send().await.json();
    insta::assert_snapshot!(answer["message"].as_str().unwrap(), @r#"aias_edge reads as authenticated (read only: off): 01900000-0000-7000-8000-0000000000a1 authenticated owner@alpha.test, aal aal1, key of <NULL>, within 15s, headers {"x-request-id":"test-1"}"#);
}

/// Nobody in person: what asks for a user id finds none, what asks for the principal finds the key.
#[sqlx::test(migrations = "../migrations")]
async fn a_key_reads_as_its_caller(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &["executions.read"]).await;
    arrange(&app).await;
    let path = format!("/v1/executions/{id}");
    let request = app.get(&path).header("x-request-id", "test-1");
    let answer = request.bearer(&key.key).send().await.json();
    insta::assert_snapshot!(answer["message"].as_str().unwrap(), @r#"aias_edge reads as authenticated (read only: on): <NULL> authenticated <NULL>, aal <NULL>, key of 01900000-0000-7000-8000-00000000a000, within 15s, headers {"x-request-id":"test-1"}"#);
}

/// A stream goes on after its request was answered, and is still the same request to the audit log.
#[sqlx::test(migrations = "../migrations")]
async fn what_goes_on_keeps_the_request_id(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let path = format!("/v1/executions/{id}/events");
    let request = app.get(&path).header("x-request-id", "test-2");
    let mut events = request.by(ALPHA_OWNER).stream().await;
    events.next().await;
    arrange(&app).await;
    let last = events.next().await.unwrap().json();
    let message = last["message"].as_str().unwrap();
    assert!(
        message.ends_with(r#"headers {"x-request-id":"test-2"}"#),
        "{message}"
    );
}

/// Wherever in it the client goes away: nothing of a request is left on the connection, neither its transaction nor whose it was.
#[sqlx::test(migrations = "../migrations")]
async fn a_request_that_is_dropped_leaves_nothing_behind(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let path = format!("/v1/executions/{id}");
    // With a connection that is there already, a request waits a few times only.
    app.get(&path).by(ALPHA_OWNER).send().await;
    for polls in 0..12 {
        let mut request = Box::pin(app.get(&path).by(ALPHA_OWNER).send());
        let mut left = polls;
        poll_fn(|context| match left {
            // Something has come that it waited for, and it does not hear of it any more.
            0 => Poll::Ready(()),
            _ => {
                left -= 1;
                request.as_mut().poll(context).map(drop)
            }
        })
        .await;
        drop(request);
        app.wait_until("no transaction is open", async |pool| {
            let open: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'aias-edge' and state like 'idle in%'",
            )
            .fetch_one(pool)
            .await
            .unwrap();
            open == 0
        })
        .await;
    }
    // As the login itself, which a role that was left would not be allowed to.
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &["executions.read"]).await;
    for _ in 0..20 {
        let answer = app.get(&path).bearer(&key.key).send().await;
        assert_eq!(answer.status, 200);
    }
}
