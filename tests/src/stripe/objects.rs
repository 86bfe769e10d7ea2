//! What becomes of the objects, in the shapes of 2025-03-31.basil: <https://docs.stripe.com/api>.

use serde_json::{Map, Value, json};

use super::{Account, Asked, Refusal};

/// When everything was made, in seconds since 1970; the next thing is a second later.
pub(super) const BEGINNING: u64 = 1_760_000_000;
pub(super) const PERIOD: u64 = 30 * 86_400;

pub(super) type Answered = Result<Value, Refusal>;

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
    pub(super) fn next(&mut self, prefix: &str) -> (String, u64) {
        self.made += 1;
        (format!("{prefix}_{}", self.made), BEGINNING + self.made)
    }

    pub(super) fn keep(&mut self, object: Value) -> Value {
        let id = object["id"].as_str().expect("an id").to_owned();
        self.objects.insert(id, object.clone());
        object
    }

    pub(super) fn find(&self, id: &str) -> Result<&Value, Refusal> {
        self.objects.get(id).ok_or_else(|| Refusal::missing(id))
    }

    pub(super) fn change(&mut self, id: &str, changes: Value) -> Answered {
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
        if is_payment && interval.is_some() || price.is_none() && !is_payment && interval.is_none()
        {
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

/// Without what only this stand-in knows.
pub(super) fn shown(mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.retain(|name, _| !name.starts_with('_'));
    }
    object
}

pub(super) fn number(asked: &Asked, name: &str) -> Option<u64> {
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
