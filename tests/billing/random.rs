//! Longer histories, drawn from a seed: shuffled, repeated, in batches of any size, they come to what Stripe has.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::json;
use sqlx::{Connection, PgPool};
use tests::seed::BETA;

use crate::stage::{apply, assert_mirrors, ids, keep, outcome, session, set};
use crate::stripe::{ENTERPRISE, PROFESSIONAL, Stripe};

/// Two subscriptions with an invoice each; half of what happens, happens within the second of what happened before.
fn draw(random: &mut StdRng) -> Stripe {
    let mut stripe = Stripe::new();
    stripe.is_basil = random.random();
    stripe.customer(BETA);
    let mut alive = Vec::new();
    for subscription in ["sub_1", "sub_2"] {
        stripe.wait(1).subscription(
            subscription,
            PROFESSIONAL,
            ["incomplete", "trialing", "active"].choose(random).unwrap(),
        );
        alive.push(subscription);
    }
    stripe.invoice("in_1", "sub_1", 4900);
    for turn in 0..random.random_range(4..14) {
        // Nobody changes one object more than six times in a second.
        let is_later = turn % 6 == 5 || random.random();
        if is_later {
            stripe.wait(random.random_range(1..100));
        }
        let Some(subscription) = alive.choose(random).copied() else {
            break;
        };
        match random.random_range(0..8) {
            0 => {
                let price = *[PROFESSIONAL, ENTERPRISE].choose(random).unwrap();
                stripe.change_price(subscription, price);
            }
            1 => {
                let cancels: bool = random.random();
                stripe.change(subscription, json!({"cancel_at_period_end": cancels}));
            }
            2 => {
                stripe.delete("customer.subscription.deleted", subscription);
                alive.retain(|other| *other != subscription);
            }
            3 => {
                stripe.remark("customer.subscription.trial_will_end", subscription);
            }
            4 => {
                let attempts = random.random_range(0..4);
                stripe.update(
                    "invoice.updated",
                    "in_1",
                    json!({"attempt_count": attempts}),
                );
            }
            _ => {
                let status = *["active", "past_due", "unpaid", "paused"]
                    .choose(random)
                    .unwrap();
                stripe.change(subscription, json!({"status": status}));
            }
        }
    }
    stripe
}

#[sqlx::test(migrations = "../migrations")]
async fn any_order_of_any_history_comes_to_what_stripe_has(pool: PgPool) {
    set(&pool).await;
    let mut session = session(&pool).await;
    for seed in 0..120 {
        let random = &mut StdRng::seed_from_u64(seed);
        let stripe = draw(random);
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            let mut order = ids(&stripe.events);
            for _ in 0..random.random_range(0..8) {
                order.push(order.choose(random).unwrap().clone());
            }
            order.shuffle(random);
            let mut transaction = session.begin().await.unwrap();
            keep(&mut transaction, &stripe.events).await;
            let mut left = order.as_slice();
            while !left.is_empty() {
                let (batch, others) = left.split_at(random.random_range(1..=left.len()));
                apply(&mut transaction, batch).await;
                left = others;
            }
            let outcome = outcome(&mut transaction).await;
            transaction.rollback().await.unwrap();
            assert_mirrors(&outcome, &stripe, &format!("of seed {seed}, {order:?}"));
            outcomes.push(outcome);
        }
        outcomes.dedup();
        assert_eq!(outcomes.len(), 1, "seed {seed}");
    }
}
