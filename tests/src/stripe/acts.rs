//! What happens there without us: somebody pays, time passes.

use serde_json::{Value, json};

use super::Stripe;
use super::objects::{BEGINNING, PERIOD};

impl Stripe {
    /// A recurring price of a product.
    pub fn price(&self, id: &str, interval: &str, amount: u64) {
        self.account().keep(json!({
            "id": id, "object": "price", "created": BEGINNING, "livemode": false, "active": true, "currency": "usd", "product": "prod_x", "unit_amount": amount,
            "lookup_key": null, "type": "recurring", "recurring": {"interval": interval, "interval_count": 1, "usage_type": "licensed"}, "metadata": {},
        }));
    }

    /// Somebody pays a checkout session. Answers the subscription that begins.
    pub fn pay(&self, session: &str) -> Value {
        let mut account = self.account();
        let (id, created) = account.next("sub");
        let session = account.objects[session].clone();
        let begins = &session["_begins"];
        let price = account.objects[begins["price"].as_str().expect("a price")].clone();
        let trial_end = begins["trial_days"]
            .as_u64()
            .map(|days| created + days * 86_400);
        let subscription = account.keep(json!({
            "id": id, "object": "subscription", "created": created, "livemode": false, "customer": session["customer"], "currency": "usd",
            "status": if trial_end.is_some() { "trialing" } else { "active" }, "trial_end": trial_end, "billing_cycle_anchor": created,
            "cancel_at_period_end": false, "cancel_at": null, "canceled_at": null, "ended_at": null, "metadata": begins["metadata"], "discounts": [],
            "schedule": null, "latest_invoice": null,
            "items": {"object": "list", "data": [{"id": format!("si_{id}"), "object": "subscription_item", "price": price, "quantity": begins["quantity"],
                "current_period_start": created, "current_period_end": trial_end.unwrap_or(created + PERIOD)}]},
        }));
        let paid = json!({"status": "complete", "payment_status": "paid", "subscription": id, "url": null});
        let _ = account.change(session["id"].as_str().expect("an id"), paid);
        subscription
    }

    /// The period of a subscription ends, and what waited for it happens.
    pub fn end_period(&self, id: &str) -> Value {
        let mut account = self.account();
        let mut subscription = account.objects[id].clone();
        if subscription["cancel_at_period_end"] == true {
            subscription["status"] = json!("canceled");
            return account.keep(subscription);
        }
        let end = subscription["items"]["data"][0]["current_period_end"]
            .as_u64()
            .expect("an end");
        let schedule = subscription["schedule"]
            .as_str()
            .map(|id| account.objects[id].clone());
        let next = schedule
            .iter()
            .flat_map(|schedule| schedule["phases"].as_array())
            .flatten()
            .find(|phase| phase["start_date"] == end)
            .cloned();
        for (number, item) in subscription["items"]["data"]
            .as_array_mut()
            .expect("items")
            .iter_mut()
            .enumerate()
        {
            if let Some(next) = &next {
                item["price"] = account.objects
                    [next["items"][number]["price"].as_str().expect("a price")]
                .clone();
                item["quantity"] = next["items"][number]["quantity"].clone();
            }
            item["current_period_start"] = json!(end);
            item["current_period_end"] = json!(end + PERIOD);
        }
        if let (Some(schedule), Some(next)) = (&schedule, &next) {
            let now = json!({"start_date": next["start_date"], "end_date": next["end_date"]});
            let _ = account.change(
                schedule["id"].as_str().expect("an id"),
                json!({ "current_phase": now }),
            );
        }
        account.keep(subscription)
    }
}
