//! What the database sees of a caller.

use sqlx::{AssertSqlSafe, Executor, PgPool};
use tests::seed::ALPHA_OWNER;
use uuid::Uuid;

use crate::support::TestApp;

/// Everything that a policy or a function can ask for, said as a refusal.
const WHO: &str = r#"
    raise exception '% reads as % (read only: %): % % %, aal %, within %',
      session_user, current_user, current_setting('transaction_read_only'),
      auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'aal', current_setting('statement_timeout')
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
        let answer = app.get(&path).by(ALPHA_OWNER).send().await.json();
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer["message"].as_str().unwrap(), @r#"aias_edge reads as authenticated (read only: on): 01900000-0000-7000-8000-0000000000a1 authenticated owner@alpha.test, aal aal1, within 15s"#);
        }
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_post_writes_as_its_caller(pool: PgPool) {
    let app = TestApp::new(pool).await;
    arrange(&app).await;
    let path = format!("/v1/executions/{}/cancel", Uuid::nil());
    let answer = app.post(&path).by(ALPHA_OWNER).send().await.json();
    insta::assert_snapshot!(answer["message"].as_str().unwrap(), @r#"aias_edge reads as authenticated (read only: off): 01900000-0000-7000-8000-0000000000a1 authenticated owner@alpha.test, aal aal1, within 15s"#);
}
