//! The audit log is chained.

use sqlx::PgPool;
use tests::seed::ALPHA;

use crate::support::{Invitation, Stage, Worker};

#[sqlx::test(migrations = "../migrations")]
async fn what_happened_is_chained(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let invitation = Invitation::send(&stage).await;
    // Two at once, as anywhere.
    let workers = [Worker::start(&stage, &[]), Worker::start(&stage, &[])];
    let chained = "select exists (select from audit.log where subject = 'invitations' and subject_id = $1::text)
                      and not exists (select from audit.inbox)";
    assert!(stage.becomes_true(chained, invitation.id).await);
    let later = Invitation::send_to(&stage, "later@gamma.test").await;
    assert!(stage.becomes_true(chained, later.id).await);
    for worker in workers {
        worker.stop().await;
    }
    let problems: Vec<String> = sqlx::query_scalar("select message from audit.verify($1)")
        .bind(ALPHA)
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(problems, Vec::<String>::new());
}
