//! Events as Stripe sends them: changes of subscriptions, one second after the other.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;

use super::TENANTS;

pub const SECRET: &str = "whsec_of_the_benchmark";
/// When the first happened.
const FIRST: u64 = 1_700_000_000;

pub struct Events {
    number: AtomicU64,
    key: hmac::Key,
}

pub struct Event {
    pub body: String,
}

impl Events {
    pub fn from(number: u64) -> Self {
        Self {
            number: AtomicU64::new(number),
            key: hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()),
        }
    }

    pub fn next(&self) -> Event {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let tenant = 1 + number % u64::from(TENANTS);
        let created = FIRST + number;
        let quantity = 1 + number % 7;
        let body = format!(
            r#"{{"id": "evt_bench_{number}", "object": "event", "api_version": "2025-03-31.basil", "created": {created}, "data": {{"object": {{
"id": "sub_bench_{tenant}", "object": "subscription", "application": null, "application_fee_percent": null,
"automatic_tax": {{"disabled_reason": null, "enabled": false, "liability": null}}, "billing_cycle_anchor": {FIRST}, "billing_thresholds": null,
"cancel_at": null, "cancel_at_period_end": false, "canceled_at": null, "cancellation_details": {{"comment": null, "feedback": null, "reason": null}},
"collection_method": "charge_automatically", "created": {FIRST}, "currency": "usd", "customer": "cus_bench_{tenant}", "days_until_due": null,
"default_payment_method": "pm_bench_{tenant}", "default_source": null, "default_tax_rates": [], "description": null, "discounts": [], "ended_at": null,
"invoice_settings": {{"account_tax_ids": null, "issuer": {{"type": "self"}}}}, "items": {{"object": "list", "data": [{{
"id": "si_bench_{tenant}", "object": "subscription_item", "created": {FIRST}, "current_period_end": {period_end}, "current_period_start": {FIRST},
"discounts": [], "metadata": {{}}, "price": {{"id": "price_bench", "object": "price", "active": true, "billing_scheme": "per_unit", "created": {FIRST},
"currency": "usd", "livemode": false, "lookup_key": null, "metadata": {{}}, "nickname": null, "product": "prod_bench", "recurring": {{"interval": "month",
"interval_count": 1, "meter": null, "trial_period_days": null, "usage_type": "licensed"}}, "tax_behavior": "unspecified", "tiers_mode": null,
"transform_quantity": null, "type": "recurring", "unit_amount": 4900, "unit_amount_decimal": "4900"}}, "quantity": {quantity},
"subscription": "sub_bench_{tenant}", "tax_rates": []}}], "has_more": false, "total_count": 1, "url": "/v1/subscription_items?subscription=sub_bench_{tenant}"}},
"latest_invoice": "in_bench_{tenant}", "livemode": false, "metadata": {{"tenant_id": "01940000-0000-7000-8000-{tenant:012}"}}, "next_pending_invoice_item_invoice": null,
"on_behalf_of": null, "pause_collection": null, "payment_settings": {{"payment_method_options": null, "payment_method_types": null,
"save_default_payment_method": "off"}}, "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null, "schedule": null,
"start_date": {FIRST}, "status": "active", "test_clock": null, "transfer_data": null, "trial_end": null, "trial_start": null}},
"previous_attributes": {{"quantity": {before}}}}}, "livemode": false, "pending_webhooks": 1, "request": {{"id": "req_bench_{number}",
"idempotency_key": null}}, "type": "customer.subscription.updated"}}"#,
            period_end = FIRST + 2_592_000,
            before = 1 + (number + 6) % 7,
        );
        Event { body }
    }

    /// The header `Stripe-Signature` of a body, at a time in seconds since 1970: <https://docs.stripe.com/webhooks#verify-manually>.
    pub fn signature(&self, body: &str, at: u64) -> String {
        let tag = hmac::sign(&self.key, format!("{at}.{body}").as_bytes());
        let digits: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("t={at},v1={digits}")
    }
}
