//! Events as Stripe sends them.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use serde_json::{Value, json};

pub fn event(id: &str) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2025-03-31.basil", "created": 1_700_000_000, "livemode": false, "type": "customer.updated",
        "data": {"object": {"id": "cus_1", "object": "customer", "email": "ada@alpha.test"}}, "pending_webhooks": 1, "request": {"id": null},
    })
}

pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// The header `Stripe-Signature`.
pub fn signature(secret: &str, at: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let hex: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={at},v1={hex}")
}
