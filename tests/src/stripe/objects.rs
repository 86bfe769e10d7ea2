//! What becomes of the objects, in the shapes of 2025-03-31.basil: <https://docs.stripe.com/api>.

use serde_json::{Map, Value, json};

use super::{Account, Asked, Refusal, Stripe};

/// When everything was made, in seconds since 1970; the next thing is a second later.
const BEGINNING: u64 = 1_760_000_000;
const PERIOD: u64 = 30 * 86_400;

type Answered = Result<Value, Refusal>;

impl Account {
    pub(super) fn apply(&mut self, asked: &Asked, path: &[&str]) -> Answered {
        match (&*asked.method, path) {
            ("POST", ["customers"]) => self.create_customer(asked),
            ("POST", ["customers" | "products", id]) => self.update(asked, id),
            ("POST", ["checkout", "sessions"]) => self.create_checkout_session(asked),
            ("POST", ["checkout", "sessions", id, "expire"]) => self.expire(id),
            ("POST", ["billing_portal", "sessions"]) => self.create_portal_session(asked),
            ("POST", ["subscriptions", id]) => self.update_subscription(asked, id),
            ("POST", ["subscription_schedules"]) => self.create_schedule(asked),
            ("POST", ["subscription_schedules", id, "release"]) => self.release(id),
            ("POST", ["subscription_schedules", id]) => self.update_schedule(asked, id),
            ("POST", ["products"]) => self.create_product(asked),
            ("POST", ["prices"]) => self.create_price(asked),
            ("GET", [collection]) => Ok(self.list(asked, collection)),
            ("GET", ["subscriptions", id]) => self.get_subscription(asked, id),
            ("GET", [.., id]) => self.find(id).cloned(),
            _ => Err(Refusal::missing(&asked.path)),
        }
    }

    /// A new id, and when it was made.
    fn next(&mut self, prefix: &str) -> (String, u64) {
        self.made += 1;
        (format!("{prefix}_{}", self.made), BEGINNING + self.made)
    }

    fn keep(&mut self, object: Value) -> Value {
        let id = object["id"].as_str().expect("an id").to_owned();
        self.objects.insert(id, object.clone());
        object
    }

    fn find(&self, id: &str) -> Result<&Value, Refusal> {
        self.objects.get(id).ok_or_else(|| Refusal::missing(id))
    }

    fn change(&mut self, id: &str, changes: Value) -> Answered {
        let object = self
            .objects
            .get_mut(id)
            .ok_or_else(|| Refusal::missing(id))?;
        for (name, value) in changes.as_object().into_iter().flatten() {
            object[name] = value.clone();
        }
        Ok(object.clone())
    }

    fn create_customer(&mut self, asked: &Asked) -> Answered {
        let (id, created) = self.next("cus");
        Ok(self.keep(json!({
            "id": id, "object": "customer", "created": created, "livemode": false, "name": asked.parameter("name"), "email": asked.parameter("email"),
            "metadata": metadata(asked, "metadata"),
        })))
    }

    fn update(&mut self, asked: &Asked, id: &str) -> Answered {
        let name = asked.parameter("name").map(|name| json!({ "name": name }));
        self.change(id, name.unwrap_or_else(|| json!({})))
    }

    fn create_checkout_session(&mut self, asked: &Asked) -> Answered {
        let customer = asked.parameter("customer").unwrap_or_default();
        self.find(customer)?;
        let price = asked.parameter("line_items[0][price]");
        let amount = number(asked, "line_items[0][price_data][unit_amount]");
        match price {
            Some(price) => drop(self.find(price)?),
            None if amount.is_none() => {
                return Err(Refusal::invalid("", "You must pass line_items."));
            }
            None => {}
        }
        let interval = asked.parameter("line_items[0][price_data][recurring][interval]");
        let is_payment = asked.parameter("mode") == Some("payment");
        if is_payment && interval.is_some() || price.is_none() && !is_payment && interval.is_none() {
            return Err(Refusal::invalid(
                "line_items",
                "A recurring price goes with subscription mode, and no other.",
            ));
        }
        let days = asked.parameter("subscription_data[trial_period_days]");
        if days.is_some_and(|days| !(1..=730).contains(&days.parse().unwrap_or(0))) {
            return Err(Refusal::invalid(
                "",
                "The minimum number of trial period days is 1.",
            ));
        }
        let (id, created) = self.next("cs_test");
        Ok(self.keep(json!({
            "id": id, "object": "checkout.session", "created": created, "expires_at": created + 86_400, "livemode": false, "mode": asked.parameter("mode"),
            "customer": customer, "client_reference_id": asked.parameter("client_reference_id"), "status": "open", "payment_status": "unpaid",
            "subscription": null, "url": format!("https://checkout.stripe.com/c/pay/{id}"), "success_url": asked.parameter("success_url"),
            "cancel_url": asked.parameter("cancel_url"), "allow_promotion_codes": asked.parameter("allow_promotion_codes") == Some("true"),
            "metadata": metadata(asked, "metadata"), "amount_total": amount, "currency": asked.parameter("line_items[0][price_data][currency]"),
            // Not shown: what the payment begins.
            "_begins": {"price": price, "quantity": number(asked, "line_items[0][quantity]").unwrap_or(1), "trial_days": number(asked, "subscription_data[trial_period_days]"),
                        "metadata": metadata(asked, if is_payment { "payment_intent_data[metadata]" } else { "subscription_data[metadata]" })},
        })))
    }

    fn expire(&mut self, id: &str) -> Answered {
        if self.find(id)?["status"] != "open" {
            return Err(Refusal::invalid(
                "",
                format!("This Session is not open: {id}"),
            ));
        }
        self.change(id, json!({"status": "expired", "url": null}))
    }

    fn create_portal_session(&mut self, asked: &Asked) -> Answered {
        let customer = asked.parameter("customer").unwrap_or_default();
        self.find(customer)?;
        let (id, created) = self.next("bps");
        Ok(json!({
            "id": id, "object": "billing_portal.session", "created": created, "customer": customer, "livemode": false,
            "return_url": asked.parameter("return_url"), "url": format!("https://billing.stripe.com/p/session/{id}"),
        }))
    }

    fn get_subscription(&self, asked: &Asked, id: &str) -> Answered {
        let mut subscription = self.find(id)?.clone();
        let is_expanded = asked.parameter("expand[]") == Some("schedule");
        if let Some(schedule) = subscription["schedule"].as_str().filter(|_| is_expanded) {
            subscription["schedule"] = self.find(schedule)?.clone();
        }
        Ok(subscription)
    }

    fn update_subscription(&mut self, asked: &Asked, id: &str) -> Answered {
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

    fn create_schedule(&mut self, asked: &Asked) -> Answered {
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

    fn update_schedule(&mut self, asked: &Asked, id: &str) -> Answered {
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

    fn release(&mut self, id: &str) -> Answered {
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

    fn create_product(&mut self, asked: &Asked) -> Answered {
        let (made, created) = self.next("prod");
        let id = asked.parameter("id").unwrap_or(&made);
        if self.objects.contains_key(id) {
            return Err(Refusal::invalid(
                "resource_already_exists",
                "Product already exists.",
            ));
        }
        Ok(self.keep(json!({
            "id": id, "object": "product", "created": created, "livemode": false, "active": true, "name": asked.parameter("name"),
            "metadata": metadata(asked, "metadata"),
        })))
    }

    fn create_price(&mut self, asked: &Asked) -> Answered {
        let product = asked.parameter("product").unwrap_or_default();
        self.find(product)?;
        if let Some(lookup_key) = asked.parameter("lookup_key") {
            let has = self
                .objects
                .values_mut()
                .find(|object| object["object"] == "price" && object["lookup_key"] == lookup_key);
            match (has, asked.parameter("transfer_lookup_key")) {
                (Some(has), Some("true")) => has["lookup_key"] = Value::Null,
                (Some(_), _) => {
                    return Err(Refusal::invalid(
                        "",
                        "A price already uses that lookup key.",
                    ));
                }
                (None, _) => {}
            }
        }
        let (id, created) = self.next("price");
        let recurring = asked.parameter("recurring[interval]").map(
            |interval| json!({"interval": interval, "interval_count": 1, "usage_type": "licensed"}),
        );
        Ok(self.keep(json!({
            "id": id, "object": "price", "created": created, "livemode": false, "active": true, "currency": asked.parameter("currency"), "product": product,
            "unit_amount": number(asked, "unit_amount"), "lookup_key": asked.parameter("lookup_key"), "type": "recurring", "recurring": recurring,
            "metadata": metadata(asked, "metadata"),
        })))
    }

    /// The newest first: <https://docs.stripe.com/api/pagination>.
    fn list(&self, asked: &Asked, collection: &str) -> Value {
        let kind = collection.trim_end_matches('s');
        let keys: Vec<&str> = asked
            .parameters
            .iter()
            .filter(|(name, _)| name.starts_with("lookup_keys["))
            .map(|(_, value)| &**value)
            .collect();
        let since = number(asked, "created[gte]").unwrap_or(0);
        let mut found: Vec<&Value> = self
            .objects
            .values()
            .filter(|object| object["object"] == kind)
            .collect();
        found.retain(|object| object["created"].as_u64() >= Some(since));
        found.retain(|object| {
            keys.is_empty()
                || object["lookup_key"]
                    .as_str()
                    .is_some_and(|key| keys.contains(&key))
        });
        if kind == "subscription" {
            // Those that have ended are listed for who asks for them.
            found.retain(|object| {
                object["status"] != "canceled" || asked.parameter("status") == Some("all")
            });
        }
        found.sort_by_key(|object| std::cmp::Reverse(object["created"].as_u64()));
        if let Some(after) = asked.parameter("starting_after") {
            let at = found.iter().position(|object| object["id"] == after);
            found = at.map_or(Vec::new(), |at| found.split_off(at + 1));
        }
        let limit = usize::try_from(number(asked, "limit").unwrap_or(10)).expect("a limit");
        let has_more = found.len() > limit;
        found.truncate(limit);
        json!({"object": "list", "url": format!("/v1/{collection}"), "has_more": has_more, "data": found})
    }
}

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

/// Without what only this stand-in knows.
pub(super) fn shown(mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.retain(|name, _| !name.starts_with('_'));
    }
    object
}

fn number(asked: &Asked, name: &str) -> Option<u64> {
    asked.parameter(name)?.parse().ok()
}

fn metadata(asked: &Asked, name: &str) -> Value {
    let prefix = format!("{name}[");
    let pairs = asked.parameters.iter().filter_map(|(name, value)| {
        let key = name.strip_prefix(&prefix)?.strip_suffix(']')?;
        Some((key.to_owned(), json!(value)))
    });
    Value::Object(pairs.collect::<Map<_, _>>())
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
