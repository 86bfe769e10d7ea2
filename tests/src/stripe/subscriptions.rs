//! Subscriptions and their schedules: <https://docs.stripe.com/api/subscriptions>, <https://docs.stripe.com/api/subscription_schedules>.

use serde_json::{Value, json};

use super::objects::{Answered, PERIOD, number};
use super::{Account, Asked, Refusal};

impl Account {
    pub(super) fn get_subscription(&self, asked: &Asked, id: &str) -> Answered {
        let mut subscription = self.find(id)?.clone();
        let is_expanded = asked.parameter("expand[]") == Some("schedule");
        if let Some(schedule) = subscription["schedule"].as_str().filter(|_| is_expanded) {
            subscription["schedule"] = self.find(schedule)?.clone();
        }
        Ok(subscription)
    }

    pub(super) fn update_subscription(&mut self, asked: &Asked, id: &str) -> Answered {
        let mut subscription = self.find(id)?.clone();
        if subscription["status"] == "canceled" {
            return Err(Refusal::missing(id));
        }
        if let Some(ends) = asked.parameter("cancel_at_period_end") {
            if let Some(schedule) = subscription["schedule"].as_str() {
                return Err(Refusal::invalid(
                    "",
                    format!(
                        "The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation behavior directly is not allowed."
                    ),
                ));
            }
            subscription["cancel_at_period_end"] = json!(ends == "true");
        }
        if let Some(item) = asked.parameter("items[0][id]") {
            let price = asked.parameter("items[0][price]");
            let price = price.map(|price| self.find(price)).transpose()?.cloned();
            let items = subscription["items"]["data"].as_array_mut().expect("items");
            let found = items.iter_mut().find(|each| each["id"] == item);
            let found = found.ok_or_else(|| Refusal::missing(item))?;
            let before = found.clone();
            if let Some(price) = price {
                found["price"] = price;
            }
            if let Some(quantity) = number(asked, "items[0][quantity]") {
                found["quantity"] = json!(quantity);
            }
            let is_invoiced =
                *found != before && asked.parameter("proration_behavior") == Some("always_invoice");
            let is_refused = asked.parameter("payment_behavior") == Some("error_if_incomplete");
            if is_invoiced && is_refused && self.declines {
                return Err(Refusal {
                    status: 402,
                    kind: "card_error",
                    ..Refusal::invalid("card_declined", "Your card was declined.")
                });
            }
            if is_invoiced {
                let (invoice, created) = self.next("in");
                self.keep(json!({
                    "id": invoice, "object": "invoice", "created": created, "livemode": false, "customer": subscription["customer"], "status": "paid",
                    "currency": "usd", "total": 100,
                    "parent": {"type": "subscription_details", "subscription_details": {"subscription": id}},
                }));
                subscription["latest_invoice"] = json!(invoice);
            }
        }
        Ok(self.keep(subscription))
    }

    pub(super) fn create_schedule(&mut self, asked: &Asked) -> Answered {
        let of = asked.parameter("from_subscription").unwrap_or_default();
        let subscription = self.find(of)?.clone();
        if !subscription["schedule"].is_null() {
            return Err(Refusal::invalid(
                "",
                "You cannot migrate a subscription that is already attached to a schedule.",
            ));
        }
        let (id, created) = self.next("sub_sched");
        let first = &subscription["items"]["data"][0];
        let (start, end) = (
            first["current_period_start"].clone(),
            first["current_period_end"].clone(),
        );
        self.change(of, json!({"schedule": id}))?;
        Ok(self.keep(json!({
            "id": id, "object": "subscription_schedule", "created": created, "livemode": false, "status": "active", "subscription": of, "end_behavior": "release",
            "current_phase": {"start_date": start, "end_date": end},
            "phases": [{"start_date": start, "end_date": end, "items": items(&subscription), "discounts": subscription["discounts"].as_array().into_iter().flatten()
                .map(|id| json!({"coupon": null, "discount": id, "promotion_code": null})).collect::<Vec<_>>()}],
        })))
    }

    pub(super) fn update_schedule(&mut self, asked: &Asked, id: &str) -> Answered {
        let schedule = self.find(id)?.clone();
        if schedule["status"] != "active" {
            return Err(Refusal::invalid(
                "",
                "You cannot update a subscription schedule that is not active.",
            ));
        }
        let mut phases: Vec<Value> = Vec::new();
        for at in 0.. {
            let Some(_) = asked.parameter(&format!("phases[{at}][items][0][price]")) else {
                break;
            };
            let of = |name: &str| number(asked, &format!("phases[{at}][{name}]"));
            let (end, iterations) = (of("end_date"), of("iterations"));
            if end.is_some() && iterations.is_some() {
                return Err(Refusal::invalid(
                    "",
                    "end_date and iterations must not both be set",
                ));
            }
            let start = of("start_date")
                .or_else(|| phases.last().and_then(|phase| phase["end_date"].as_u64()));
            let start =
                start.ok_or_else(|| Refusal::invalid("", "the first phase needs a start_date"))?;
            let mut items = Vec::new();
            for item in 0.. {
                let of = |name: &str| format!("phases[{at}][items][{item}][{name}]");
                let Some(price) = asked.parameter(&of("price")) else {
                    break;
                };
                self.find(price)?;
                items.push(json!({"price": price, "quantity": number(asked, &of("quantity"))}));
            }
            let discounts: Vec<Value> = (0..)
                .map_while(|number| {
                    asked.parameter(&format!("phases[{at}][discounts][{number}][discount]"))
                })
                .map(|id| json!({"discount": id, "coupon": null, "promotion_code": null}))
                .collect();
            phases.push(json!({
                "start_date": start, "end_date": end.unwrap_or(start + iterations.unwrap_or(1) * PERIOD), "items": items, "discounts": discounts,
            }));
        }
        if phases
            .first()
            .is_some_and(|phase| phase["start_date"] != schedule["current_phase"]["start_date"])
        {
            return Err(Refusal::invalid(
                "",
                "The current phase's start_date cannot be changed.",
            ));
        }
        self.change(
            id,
            json!({"phases": phases, "end_behavior": asked.parameter("end_behavior")}),
        )
    }

    pub(super) fn release(&mut self, id: &str) -> Answered {
        let schedule = self.find(id)?.clone();
        if schedule["status"] != "active" {
            return Err(Refusal::invalid(
                "",
                "You cannot release a subscription schedule that is currently in the `released` status.",
            ));
        }
        let of = schedule["subscription"]
            .as_str()
            .expect("its subscription")
            .to_owned();
        self.change(&of, json!({"schedule": null}))?;
        self.change(id, json!({"status": "released", "subscription": null, "released_subscription": of, "current_phase": null}))
    }
}

fn items(subscription: &Value) -> Vec<Value> {
    let items = subscription["items"]["data"]
        .as_array()
        .into_iter()
        .flatten();
    items
        .map(|item| json!({"price": item["price"]["id"], "quantity": item["quantity"]}))
        .collect()
}
