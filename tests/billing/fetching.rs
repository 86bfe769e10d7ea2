//! What Stripe answers is taken in the order of the questions, whatever order the answers come in.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::BETA;

use crate::stage::{ids, keep, outcome, session, set};
use crate::stripe::{BEGINNING, ENTERPRISE, PROFESSIONAL, Stripe};

async fn apply(pool: &PgPool, events: &[String]) {
    sqlx::query("select billing.apply($1, true)")
        .bind(events)
        .execute(pool)
        .await
        .unwrap();
}

/// Asks about the subscription, and about all else that is due; answers its ticket.
async fn claim(pool: &PgPool) -> Option<i64> {
    sqlx::query_scalar("select ticket from billing.claim_fetches(10, true, '1 minute') where kind = 'subscription'")
        .fetch_optional(pool)
        .await
        .unwrap()
}

async fn answer(pool: &PgPool, ticket: i64, object: Option<Value>, second: i64) -> bool {
    sqlx::query_scalar("select billing.apply_fetched('', 'subscription', 'sub_1', $1, $2, $3)")
        .bind(ticket)
        .bind(object)
        .bind(second)
        .fetch_one(pool)
        .await
        .unwrap()
}

fn begun() -> Stripe {
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active");
    stripe
}

#[sqlx::test(migrations = "../migrations")]
async fn answers_that_cross_end_with_the_later_question(pool: PgPool) {
    set(&pool).await;
    let mut stripe = begun();
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    apply(&pool, &ids(&stripe.events)).await;
    let first = claim(&pool).await.unwrap();
    assert_eq!(claim(&pool).await, None, "one asks already");
    let older = stripe.objects["sub_1"].clone();

    stripe.wait(60).change_price("sub_1", ENTERPRISE);
    keep(&mut session, &stripe.events).await;
    apply(&pool, &ids(&stripe.events[2..])).await;
    let second = claim(&pool).await.unwrap();
    let newer = stripe.objects["sub_1"].clone();
    assert!(answer(&pool, second, Some(newer.clone()), BEGINNING + 61).await);
    assert!(
        !answer(&pool, first, Some(older), BEGINNING + 62).await,
        "too late"
    );
    assert!(
        !answer(&pool, second, None, BEGINNING + 63).await,
        "said once already"
    );
    let ended = outcome(&mut session).await;
    assert_eq!(
        (&ended["objects"]["sub_1"], &ended["plan"]),
        (&newer, &json!("enterprise"))
    );
    assert_eq!(claim(&pool).await, None, "nothing is open");
}

#[sqlx::test(migrations = "../migrations")]
async fn an_event_that_comes_while_it_is_asked_has_it_asked_again(pool: PgPool) {
    set(&pool).await;
    let mut stripe = begun();
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    apply(&pool, &ids(&stripe.events)).await;
    let first = claim(&pool).await.unwrap();
    let older = stripe.objects["sub_1"].clone();
    stripe.wait(60).change_price("sub_1", ENTERPRISE);
    keep(&mut session, &stripe.events).await;
    apply(&pool, &ids(&stripe.events[2..])).await;
    // Read before the change, said after it: the event is newer than that, and stays.
    assert!(answer(&pool, first, Some(older), BEGINNING + 30).await);
    assert_eq!(outcome(&mut session).await["plan"], "enterprise");
    let again = claim(&pool).await.expect("a question");
    assert!(again > first);
    assert!(
        answer(
            &pool,
            again,
            Some(stripe.objects["sub_1"].clone()),
            BEGINNING + 90
        )
        .await
    );
    assert_eq!(outcome(&mut session).await["plan"], "enterprise");
}

#[sqlx::test(migrations = "../migrations")]
async fn what_stripe_does_not_have_is_gone_and_what_no_event_told_is_known(pool: PgPool) {
    set(&pool).await;
    let mut stripe = begun();
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    apply(&pool, &ids(&stripe.events)).await;
    let ticket = claim(&pool).await.unwrap();
    // An event that has never come.
    stripe.wait(60).change_price("sub_1", ENTERPRISE);
    assert!(
        answer(
            &pool,
            ticket,
            Some(stripe.objects["sub_1"].clone()),
            BEGINNING + 90
        )
        .await
    );
    assert_eq!(outcome(&mut session).await["plan"], "enterprise");
    // It comes after all, and is older than the answer.
    keep(&mut session, &stripe.events).await;
    apply(&pool, &ids(&stripe.events)).await;
    let ticket = claim(&pool).await.unwrap();
    assert!(answer(&pool, ticket, None, BEGINNING + 120).await);
    let ended = outcome(&mut session).await;
    assert_eq!(
        (&ended["plan"], &ended["subscriptions"]["sub_1"]["status"]),
        (&json!("starter"), &json!("canceled"))
    );
    // Objects of tests are not asked about with a live key's eyes.
    sqlx::query("update billing.objects set livemode = false, fetch_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(claim(&pool).await, None);
}
