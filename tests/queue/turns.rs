//! Tenants in turn, by weight; within a tenant by priority, then first come, first served.

use std::collections::BTreeMap;

use sqlx::PgPool;

use crate::stage::Stage;

#[sqlx::test(migrations = "../migrations")]
async fn one_job_is_not_behind_a_thousand(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 2).await;
    stage.enqueue(1, 1, 0, 1000).await;
    stage.enqueue(2, 1, 0, 1).await;
    assert_eq!(
        stage.claim_by_tenant(4).await,
        BTreeMap::from([(1, 3), (2, 1)])
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_claimed_is_shared_by_weight(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 3).await;
    stage
        .run("update queue.tenants set weight = 8 where tenant_id::text like '%3'")
        .await;
    for tenant in 1..=3 {
        stage.enqueue(tenant, 1, 0, 100).await;
    }
    assert_eq!(
        stage.claim_by_tenant(40).await,
        BTreeMap::from([(1, 10), (2, 10), (3, 20)])
    );
}

/// Also when there is room for one job at a time: whoever was served waits until the others were.
#[sqlx::test(migrations = "../migrations")]
async fn turns_are_remembered_from_claim_to_claim(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 3).await;
    for tenant in 1..=3 {
        stage.enqueue(tenant, 1, 0, 20).await;
    }
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for claim in 1..=30_usize {
        for (tenant, count) in stage.claim_by_tenant(1).await {
            *counts.entry(tenant).or_default() += count;
        }
        let (least, most) = (counts.values().min(), counts.values().max());
        assert!(
            counts.len() < 3 || most.unwrap() - least.unwrap() <= 1,
            "after {claim} claims: {counts:?}"
        );
    }
    assert_eq!(counts, BTreeMap::from([(1, 10), (2, 10), (3, 10)]));
}

/// A tenant that had nothing to do has not saved anything up.
#[sqlx::test(migrations = "../migrations")]
async fn who_comes_late_gets_its_share_and_no_more(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 3).await;
    stage.enqueue(1, 1, 0, 200).await;
    stage.enqueue(2, 1, 0, 200).await;
    stage.claim_by_tenant(100).await;
    stage.enqueue(3, 1, 0, 200).await;
    let counts = stage.claim_by_tenant(60).await;
    assert!(
        counts.values().all(|count| (19..=21).contains(count)),
        "{counts:?}"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn many_tenants_and_few_places(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 30).await;
    for tenant in 1..=30 {
        stage.enqueue(tenant, 1, 0, 2).await;
    }
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    for _ in 0..6 {
        for (tenant, count) in stage.claim_by_tenant(5).await {
            *seen.entry(tenant).or_default() += count;
        }
    }
    assert_eq!(
        seen.len(),
        30,
        "each had its turn before anybody had two: {seen:?}"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn the_urgent_first_and_then_the_oldest(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage.enqueue(1, 1, 0, 2).await;
    stage.enqueue(1, 2, 5, 1).await;
    stage.enqueue(1, 2, 0, 1).await;
    let order: Vec<_> = stage
        .claim("w", 10, &[])
        .await
        .into_iter()
        .map(|claimed| claimed.workflow)
        .collect();
    let mut counted = order.clone();
    counted.sort_unstable();
    assert_eq!(counted, [1, 1, 2, 2]);
    stage.enqueue(1, 1, 0, 2).await;
    stage.enqueue(1, 2, 5, 1).await;
    let urgent = stage.claim("w", 1, &[]).await;
    assert_eq!(urgent[0].workflow, 2);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_suspended_tenant_waits_and_goes_on(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 2).await;
    stage.enqueue(1, 1, 0, 3).await;
    stage.enqueue(2, 1, 0, 3).await;
    stage
        .run("update public.tenants set status = 'suspended' where id::text like '%1'")
        .await;
    assert_eq!(stage.claim_by_tenant(10).await, BTreeMap::from([(2, 3)]));
    stage
        .run("update public.tenants set status = 'active' where id::text like '%1'")
        .await;
    assert_eq!(stage.claim_by_tenant(10).await, BTreeMap::from([(1, 3)]));
}

/// Somebody changes a tenant and takes his time: nobody's claims wait for him, not even that tenant's.
#[sqlx::test(migrations = "../migrations")]
async fn a_tenant_that_is_being_changed_holds_up_nobody(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 2).await;
    stage.enqueue(1, 1, 0, 5).await;
    stage.enqueue(2, 1, 0, 5).await;
    let mut slow = stage.pool.begin().await.unwrap();
    sqlx::query("update public.tenants set limit_overrides = '{}' where id::text like '%1'")
        .execute(&mut *slow)
        .await
        .unwrap();
    let claiming = stage.claim_by_tenant(4);
    let claimed = tokio::time::timeout(std::time::Duration::from_secs(10), claiming).await;
    assert_eq!(
        claimed.expect("it does not wait"),
        BTreeMap::from([(1, 2), (2, 2)])
    );
    slow.rollback().await.unwrap();
}
