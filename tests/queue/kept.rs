//! Places and notices for those who have little, beside those who have much.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;

use crate::stage::{Stage, by_tenant, listen};

#[sqlx::test(migrations = "../migrations")]
async fn a_backlog_does_not_get_the_places_that_are_kept(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 3).await;
    stage.enqueue(1, 1, 0, 100).await;
    stage.enqueue(2, 1, 0, 1).await;
    // Sixty of the first are out, and the worker has no other room than what it keeps.
    let held = [(1, 1, 60)];
    let claimed = stage.claim_keeping("w", 8, 8, &held).await;
    assert_eq!(by_tenant(&claimed), BTreeMap::from([(2, 1)]));
    let claimed = stage.claim_keeping("w", 8, 8, &held).await;
    assert_eq!(by_tenant(&claimed), BTreeMap::new());

    // Three of the places are for everybody, in turn: the third of them is used up before the last one who has a few.
    stage.enqueue(3, 1, 0, 2).await;
    let claimed = stage.claim_keeping("w", 8, 5, &held).await;
    assert_eq!(by_tenant(&claimed), BTreeMap::from([(1, 2), (3, 2)]));
}

/// A tenant of whom the worker holds nothing begins with a few, and no more of them than that in places that are kept.
#[sqlx::test(migrations = "../migrations")]
async fn a_few_of_each_tenant_get_them(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 2).await;
    stage.enqueue(1, 1, 0, 100).await;
    stage.enqueue(2, 1, 0, 100).await;
    let claimed = stage
        .claim_keeping("w", 16, 16, &[(1, 1, 2), (1, 2, 1)])
        .await;
    assert_eq!(by_tenant(&claimed), BTreeMap::from([(1, 1), (2, 4)]));
    // Nothing is kept from somebody else's few.
    let claimed = stage.claim_keeping("w", 16, 0, &[(1, 1, 60)]).await;
    assert!(
        by_tenant(&claimed)
            .values()
            .all(|count| (7..=9).contains(count))
    );
}

/// Whether a notice came since the last time it was asked.
async fn is_noticed(listener: &mut PgListener) -> bool {
    // Behind everything that was sent before.
    let mut noticed = false;
    loop {
        match tokio::time::timeout(Duration::from_millis(100), listener.recv()).await {
            Ok(notice) => {
                notice.unwrap();
                noticed = true;
            }
            Err(_) => return noticed,
        }
    }
}

/// No worker wants notice: each has found as much as it had room for.
#[sqlx::test(migrations = "../migrations")]
async fn busy_workers_hear_of_tenants_that_were_not_served_lately(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 3).await;
    let mut listener = PgListener::connect_with(&stage.pool).await.unwrap();
    stage.enqueue(1, 1, 0, 100).await;
    stage.enqueue(2, 1, 0, 100).await;
    listen(&mut listener).await;
    for _ in 0..3 {
        assert_eq!(stage.claim_by_tenant(10).await.len(), 2);
        // Longer than what counts as lately.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    stage.enqueue(1, 1, 0, 1).await;
    assert!(
        !is_noticed(&mut listener).await,
        "the first has just been served, and has more"
    );
    stage.enqueue(3, 1, 0, 1).await;
    assert!(is_noticed(&mut listener).await);
    assert_eq!(
        stage.claim_by_tenant(1).await,
        BTreeMap::from([(3, 1)]),
        "and it is its turn"
    );
    stage.enqueue(3, 1, 0, 1).await;
    assert!(!is_noticed(&mut listener).await, "now it was served");
}
