//! A stand-in for Stripe that keeps objects and tells of each change: the whole object, and of what has changed how it was before. What an
//! object is at the end is therefore known without looking at what we make of the events.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// When its clock begins: so far from now that no grace ends during a test.
pub const BEGINNING: i64 = 4_000_000_000;

pub const CUSTOMER: &str = "cus_1";
pub const PROFESSIONAL: &str = "price_professional";
pub const ENTERPRISE: &str = "price_enterprise";

#[derive(Debug, Clone)]
pub struct Stripe {
    pub second: i64,
    /// How each object is now; gone once it is deleted.
    pub objects: BTreeMap<String, Value>,
    pub events: Vec<Value>,
    /// Where a subscription's period stands: on its items since 2025-03-31.basil, on itself before.
    pub is_basil: bool,
}

impl Stripe {
    pub fn new() -> Self {
        Self {
            second: BEGINNING,
            objects: BTreeMap::new(),
            events: Vec::new(),
            is_basil: true,
        }
    }

    pub fn wait(&mut self, seconds: i64) -> &mut Self {
        self.second += seconds;
        self
    }

    pub fn create(&mut self, event: &str, object: Value) -> &mut Self {
        let id = object["id"].as_str().expect("an id").to_owned();
        self.objects.insert(id, object.clone());
        self.tell(event, object, None)
    }

    /// Changes what `changes` names. `event` may be one that says nothing of before: pass it through [`Stripe::remark`].
    pub fn update(&mut self, event: &str, id: &str, changes: Value) -> &mut Self {
        let object = self.objects.get_mut(id).expect("an object");
        let mut previous = Map::new();
        for (name, value) in changes.as_object().expect("changes") {
            if object[name] != *value {
                previous.insert(name.clone(), object[name].clone());
                object[name] = value.clone();
            }
        }
        let object = object.clone();
        self.tell(event, object, Some(Value::Object(previous)))
    }

    /// Tells how an object is, without a change.
    pub fn remark(&mut self, event: &str, id: &str) -> &mut Self {
        let object = self.objects[id].clone();
        self.tell(event, object, None)
    }

    /// A subscription that is deleted is still there, and canceled.
    pub fn delete(&mut self, event: &str, id: &str) -> &mut Self {
        let mut object = self.objects.remove(id).expect("an object");
        if object["object"] == "subscription" {
            object["status"] = json!("canceled");
            object["canceled_at"] = json!(self.second);
            object["ended_at"] = json!(self.second);
            self.objects.insert(id.to_owned(), object.clone());
        }
        self.tell(event, object, None)
    }

    fn tell(&mut self, event: &str, object: Value, previous: Option<Value>) -> &mut Self {
        // Ids say nothing of the order: the later one is often the smaller.
        let number = self.events.len();
        let id = format!("evt_{:03}_{}", (number * 37 + 11) % 101, number / 101);
        let mut data = json!({"object": object});
        if let Some(previous) = previous {
            data["previous_attributes"] = previous;
        }
        self.events.push(json!({
            "id": id, "object": "event", "type": event, "created": self.second, "api_version": "2025-03-31.basil", "livemode": true,
            "pending_webhooks": 1, "request": null, "data": data,
        }));
        self
    }

    pub fn customer(&mut self, tenant: uuid::Uuid) -> &mut Self {
        self.create(
            "customer.created",
            json!({"id": CUSTOMER, "object": "customer", "email": "ada@alpha.test", "metadata": {"tenant_id": tenant}}),
        )
    }

    pub fn subscription(&mut self, id: &str, price: &str, status: &str) -> &mut Self {
        let (start, end) = (self.second, self.second + 30 * 86_400);
        let mut subscription = json!({
            "id": id, "object": "subscription", "customer": CUSTOMER, "status": status, "currency": "usd", "created": start,
            "billing_cycle_anchor": start, "cancel_at_period_end": false, "cancel_at": null, "canceled_at": null, "ended_at": null,
            "trial_end": null, "metadata": {}, "items": self.items(price, start, end),
        });
        if !self.is_basil {
            subscription["current_period_start"] = json!(start);
            subscription["current_period_end"] = json!(end);
        }
        self.create("customer.subscription.created", subscription)
    }

    /// What a subscription's `items` are with this price.
    pub fn items(&self, price: &str, start: i64, end: i64) -> Value {
        let mut item = json!({"id": "si_1", "object": "subscription_item", "quantity": 1, "price": {"id": price, "object": "price"}});
        if self.is_basil {
            item["current_period_start"] = json!(start);
            item["current_period_end"] = json!(end);
        }
        json!({"object": "list", "data": [item]})
    }

    /// Changes the price of a subscription within its period.
    pub fn change_price(&mut self, id: &str, price: &str) -> &mut Self {
        let mut items = self.objects[id]["items"].clone();
        items["data"][0]["price"]["id"] = json!(price);
        self.change(id, json!({"items": items}))
    }

    pub fn change(&mut self, subscription: &str, changes: Value) -> &mut Self {
        self.update("customer.subscription.updated", subscription, changes)
    }

    pub fn invoice(&mut self, id: &str, subscription: &str, amount: i64) -> &mut Self {
        let invoice = json!({
            "id": id, "object": "invoice", "customer": CUSTOMER, "status": "draft", "currency": "usd", "created": self.second, "number": null,
            "subtotal": amount, "total": amount, "amount_due": amount, "amount_paid": 0, "amount_remaining": amount, "attempt_count": 0,
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": subscription}},
            "period_start": self.second, "period_end": self.second, "due_date": null, "next_payment_attempt": null,
            "status_transitions": {"finalized_at": null, "paid_at": null}, "hosted_invoice_url": null, "invoice_pdf": null,
        });
        self.create("invoice.created", invoice)
    }

    pub fn finalize(&mut self, invoice: &str) -> &mut Self {
        let at = self.second;
        self.update(
            "invoice.updated",
            invoice,
            json!({"status": "open", "number": "A-1", "status_transitions": {"finalized_at": at, "paid_at": null}}),
        )
    }

    /// One attempt more to pay has failed, and the next is in three days.
    pub fn fail(&mut self, invoice: &str) -> &mut Self {
        let attempts = self.objects[invoice]["attempt_count"]
            .as_i64()
            .expect("a number");
        let next = self.second + 3 * 86_400;
        self.update(
            "invoice.payment_failed",
            invoice,
            json!({"attempt_count": attempts + 1, "next_payment_attempt": next}),
        )
    }

    pub fn pay(&mut self, invoice: &str) -> &mut Self {
        let before = &self.objects[invoice];
        let (amount, finalized) = (
            before["amount_due"].clone(),
            before["status_transitions"]["finalized_at"].clone(),
        );
        let at = self.second;
        self.update(
            "invoice.paid",
            invoice,
            json!({"status": "paid", "amount_paid": amount, "amount_remaining": 0, "status_transitions": {"finalized_at": finalized, "paid_at": at}}),
        )
    }
}
