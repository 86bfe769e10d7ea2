//! Clients that leave.

use std::time::Duration;

use sqlx::PgPool;

use super::{Gateway, body, streamed};
use crate::support::EventReader;

async fn until_nobody_reads(gateway: &Gateway) {
    for _ in 0..200 {
        if gateway.upstream.journal.open() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the call upstream is still open");
}

#[sqlx::test(migrations = "../migrations")]
async fn whoever_leaves_a_stream_ends_it_upstream_and_pays_for_what_came(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let response = gateway.open(&streamed("endless")).await;
    let mut events = EventReader::new(response.into_body());
    for _ in 0..20 {
        events.next().await.unwrap();
    }
    assert_eq!(gateway.upstream.journal.open(), 1);
    drop(events);
    until_nobody_reads(&gateway).await;

    let used = gateway.used().await;
    assert_eq!(used.len(), 1);
    assert!(used[0].is_estimated);
    // One token is four characters, which is what each piece has. The first event is the role.
    assert!(used[0].output_tokens >= 19, "{used:?}");
    assert_eq!(
        gateway.tokens().await,
        (used[0].input_tokens + used[0].output_tokens, 0)
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn whoever_leaves_before_the_answer_has_asked_all_the_same(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let wanted = body("endless");
    let asking = gateway.ask(&wanted);
    let left = tokio::time::timeout(Duration::from_millis(500), asking).await;
    assert!(left.is_err(), "it never ends");
    until_nobody_reads(&gateway).await;

    let used = gateway.used().await;
    assert_eq!((used[0].input_tokens, used[0].is_estimated), (2, true));
    let (used_of_plan, reserved) = gateway.tokens().await;
    assert_eq!(used_of_plan, used[0].input_tokens + used[0].output_tokens);
    assert_eq!(reserved, 0);
}
