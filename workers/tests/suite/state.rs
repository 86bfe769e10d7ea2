//! The states that the worker knows are those that the database checks.

use sqlx::PgPool;
use workers::queue::MailOutcome;
use workers::state::{ExecutionStatus, StepStatus};

#[sqlx::test(migrations = "../migrations")]
async fn both_sides_know_the_same_states(pool: PgPool) {
    for (constraint, mut known) in [
        (
            "execution_status_is_known",
            ExecutionStatus::ALL.map(ExecutionStatus::as_str).to_vec(),
        ),
        (
            "step_status_is_known",
            StepStatus::ALL.map(StepStatus::as_str).to_vec(),
        ),
    ] {
        known.sort_unstable();
        assert_eq!(checked(&pool, constraint).await, known);
    }
}

/// What a worker records of a mail is the status that it gets, but for a retry: that is queued again.
#[sqlx::test(migrations = "../migrations")]
async fn both_sides_know_the_same_ends_of_a_mail(pool: PgPool) {
    let text = String::new;
    let ends = [
        MailOutcome::Dead { error: text() },
        MailOutcome::Dropped { reason: text() },
        MailOutcome::Sent,
    ];
    assert_eq!(
        checked(&pool, "mail_is_finished_when_it_says_so").await,
        ends.each_ref().map(MailOutcome::as_str)
    );
    assert_eq!(
        checked(&pool, "mail_status_is_known").await,
        ["dead", "dropped", "queued", "sent"]
    );
}

/// The texts in a check, in their alphabet's order.
async fn checked(pool: &PgPool, constraint: &str) -> Vec<String> {
    let definition: String = sqlx::query_scalar(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = $1",
    )
    .bind(constraint)
    .fetch_one(pool)
    .await
    .unwrap();
    let mut texts: Vec<String> = definition
        .split('\'')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    texts.sort_unstable();
    texts
}

/// What is final in the worker's eyes cannot be changed in the database, and what is not can.
#[sqlx::test(migrations = "../migrations")]
async fn both_sides_agree_on_what_is_final(pool: PgPool) {
    let stage = crate::support::Stage::set(&pool).await;
    let workflow = stage
        .workflow(
            serde_json::json!([crate::support::trigger()]),
            serde_json::json!([]),
        )
        .await;
    let execution = stage.start(workflow, serde_json::json!({})).await;
    for status in StepStatus::ALL {
        sqlx::query(
            "insert into execution_steps (tenant_id, execution_id, node_id, kind, status, run_at, error, revision)
             values ($1, $2, $3, 'http', $3, case when $3 = 'waiting' then now() end, '{}', 1)",
        )
        .bind(tests::seed::ALPHA)
        .bind(execution)
        .bind(status.as_str())
        .execute(&pool)
        .await
        .unwrap();
        let changed = sqlx::query("update execution_steps set attempt = 2 where node_id = $1")
            .bind(status.as_str())
            .execute(&pool)
            .await;
        assert_eq!(changed.is_err(), status.is_final(), "{status}");
    }
}
