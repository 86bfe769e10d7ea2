//! What happens to subscriptions, told by a stand-in for Stripe, with what it has to come to.

use serde_json::{Value, json};
use tests::seed::BETA;

use crate::stripe::{BEGINNING, CUSTOMER, ENTERPRISE, PROFESSIONAL, Stripe};

pub struct History {
    pub name: &'static str,
    pub stripe: Stripe,
    /// What the outcome has to have: plan, status, and the statuses of subscriptions and invoices.
    pub right: Value,
}

fn history(
    name: &'static str,
    tell: impl FnOnce(&mut Stripe),
    plan: &str,
    status: &str,
    subscriptions: Value,
    invoices: Value,
) -> History {
    let mut stripe = Stripe::new();
    tell(&mut stripe);
    assert!(
        stripe.events.len() <= 7,
        "{name}: every permutation is tried"
    );
    History {
        name,
        stripe,
        right: json!({"plan": plan, "status": status, "subscriptions": subscriptions, "invoices": invoices}),
    }
}

/// Without it a subscription would be nobody's.
fn begin(stripe: &mut Stripe) -> &mut Stripe {
    stripe.customer(BETA).wait(10)
}

const MONTH: i64 = 30 * 86_400;

pub fn all() -> Vec<History> {
    vec![
        history(
            "upgrade",
            |stripe| {
                begin(stripe).subscription("sub_1", PROFESSIONAL, "incomplete");
                stripe.change("sub_1", json!({"status": "active"})).wait(60);
                stripe.change_price("sub_1", ENTERPRISE);
            },
            "enterprise",
            "active",
            json!({"sub_1": "active"}),
            json!({}),
        ),
        history(
            "downgrade of a subscription in the older shape",
            |stripe| {
                stripe.is_basil = false;
                begin(stripe).subscription("sub_1", ENTERPRISE, "active");
                stripe.wait(60).change_price("sub_1", PROFESSIONAL);
                stripe.wait(60).change(
                    "sub_1",
                    json!({"current_period_start": BEGINNING + MONTH, "current_period_end": BEGINNING + 2 * MONTH}),
                );
            },
            "professional",
            "active",
            json!({"sub_1": "active"}),
            json!({}),
        ),
        history(
            "cancel and subscribe again",
            |stripe| {
                begin(stripe).subscription("sub_1", ENTERPRISE, "active");
                stripe
                    .wait(60)
                    .change("sub_1", json!({"cancel_at_period_end": true}));
                stripe
                    .wait(60)
                    .delete("customer.subscription.deleted", "sub_1");
                stripe
                    .wait(60)
                    .subscription("sub_2", PROFESSIONAL, "incomplete");
                stripe.wait(1).change("sub_2", json!({"status": "active"}));
            },
            "professional",
            "active",
            json!({"sub_1": "canceled", "sub_2": "active"}),
            json!({}),
        ),
        history(
            "an update after the end",
            |stripe| {
                begin(stripe).subscription("sub_1", ENTERPRISE, "active");
                // In the second of the end, and told as before it.
                stripe
                    .wait(60)
                    .change("sub_1", json!({"cancel_at_period_end": true}));
                stripe.delete("customer.subscription.deleted", "sub_1");
            },
            "starter",
            "active",
            json!({"sub_1": "canceled"}),
            json!({}),
        ),
        history(
            "a payment fails, and is made",
            |stripe| {
                begin(stripe).subscription("sub_1", PROFESSIONAL, "active");
                stripe.wait(MONTH).invoice("in_1", "sub_1", 4900);
                stripe.wait(3600).finalize("in_1");
                stripe.change("sub_1", json!({"status": "past_due"}));
                stripe.wait(86_400).pay("in_1");
                stripe.change("sub_1", json!({"status": "active"}));
            },
            "professional",
            "active",
            json!({"sub_1": "active"}),
            json!({"in_1": "paid"}),
        ),
        history(
            "a payment fails for good",
            |stripe| {
                begin(stripe).subscription("sub_1", PROFESSIONAL, "active");
                stripe
                    .wait(MONTH)
                    .change("sub_1", json!({"status": "past_due"}));
                stripe
                    .wait(86_400)
                    .change("sub_1", json!({"status": "unpaid"}));
            },
            "professional",
            "suspended",
            json!({"sub_1": "unpaid"}),
            json!({}),
        ),
        history(
            "a trial that ends without a way to pay, and one that begins again",
            |stripe| {
                begin(stripe).subscription("sub_1", PROFESSIONAL, "trialing");
                stripe
                    .wait(11 * 86_400)
                    .remark("customer.subscription.trial_will_end", "sub_1");
                stripe.wait(3 * 86_400).update(
                    "customer.subscription.paused",
                    "sub_1",
                    json!({"status": "paused"}),
                );
                stripe.wait(86_400).update(
                    "customer.subscription.resumed",
                    "sub_1",
                    json!({"status": "active"}),
                );
            },
            "professional",
            "active",
            json!({"sub_1": "active"}),
            json!({}),
        ),
        history(
            "a refund",
            |stripe| {
                begin(stripe).invoice("in_1", "sub_1", 4900);
                stripe.finalize("in_1").pay("in_1").create(
                    "charge.succeeded",
                    json!({"id": "ch_1", "object": "charge", "customer": CUSTOMER, "payment_intent": "pi_1", "status": "succeeded", "amount": 4900, "amount_refunded": 0}),
                );
                stripe.create(
                    "invoice_payment.paid",
                    json!({"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}, "status": "paid"}),
                );
                stripe
                    .wait(60)
                    .update("charge.refunded", "ch_1", json!({"amount_refunded": 1900}));
            },
            "starter",
            "active",
            json!({}),
            json!({"in_1": "paid"}),
        ),
        history(
            "up, down and up within a second",
            |stripe| {
                begin(stripe)
                    .subscription("sub_1", PROFESSIONAL, "active")
                    .wait(60);
                stripe
                    .change_price("sub_1", ENTERPRISE)
                    .change_price("sub_1", PROFESSIONAL)
                    .change_price("sub_1", ENTERPRISE);
            },
            "enterprise",
            "active",
            json!({"sub_1": "active"}),
            json!({}),
        ),
        history(
            "there and back within a second, beside another change",
            |stripe| {
                begin(stripe)
                    .subscription("sub_1", PROFESSIONAL, "active")
                    .wait(60);
                stripe
                    .change_price("sub_1", ENTERPRISE)
                    .change("sub_1", json!({"cancel_at_period_end": true}));
                stripe.change_price("sub_1", PROFESSIONAL);
            },
            "professional",
            "active",
            json!({"sub_1": "active"}),
            json!({}),
        ),
        history(
            "deleted drafts and customers",
            |stripe| {
                begin(stripe).invoice("in_1", "sub_1", 100);
                stripe
                    .wait(5)
                    .update("invoice.updated", "in_1", json!({"total": 200}))
                    .delete("invoice.deleted", "in_1");
                stripe.subscription("sub_1", ENTERPRISE, "active");
                stripe
                    .wait(5)
                    .delete("customer.subscription.deleted", "sub_1")
                    .delete("customer.deleted", CUSTOMER);
            },
            "starter",
            "active",
            json!({"sub_1": "canceled"}),
            json!({}),
        ),
    ]
}
