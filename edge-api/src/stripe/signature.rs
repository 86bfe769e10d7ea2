//! Whether Stripe has signed a request: <https://docs.stripe.com/webhooks#verify-manually>.

use std::sync::Arc;

use aws_lc_rs::{constant_time, hmac};
use axum::http::HeaderValue;

use crate::error::ApiError;

/// How far from now a signature may be, in seconds, before and after: what somebody has recorded is soon worth nothing, and clocks differ.
const TOLERANCE: u64 = 300;

/// The signing secrets of the webhook's endpoint: several while one is being replaced. None are good: then no signature is.
#[derive(Clone, Default)]
pub struct WebhookSecrets(Arc<[hmac::Key]>);

impl WebhookSecrets {
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let key = |secret: &str| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Self(secrets.into_iter().map(key).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks the header `Stripe-Signature` over the body as it came, at a time in seconds since 1970.
    pub fn check(
        &self,
        header: Option<&HeaderValue>,
        body: &[u8],
        now: u64,
    ) -> Result<(), ApiError> {
        let header = header.ok_or(ApiError::bad_request(
            "signature_missing",
            "a request from Stripe has the header Stripe-Signature",
        ))?;
        let signed = header.to_str().ok().and_then(Signed::read);
        let signed = signed.filter(|signed| self.has_signed(signed, body));
        let signed = signed.ok_or(ApiError::bad_request(
            "signature_invalid",
            "none of the signatures is of this body by a secret that is known here",
        ))?;
        // Said only to those who have a secret.
        match signed
            .seconds
            .is_some_and(|at| at.abs_diff(now) <= TOLERANCE)
        {
            true => Ok(()),
            false => Err(ApiError::bad_request(
                "signature_expired",
                "this was signed more than five minutes from now",
            )),
        }
    }

    fn has_signed(&self, signed: &Signed<'_>, body: &[u8]) -> bool {
        self.0.iter().any(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(signed.at.as_bytes());
            context.update(b".");
            context.update(body);
            let tag = context.sign();
            // As many comparisons for a wrong one as for a right one, each in constant time.
            signed.signatures.iter().fold(false, |is_good, signature| {
                is_good | constant_time::verify_slices_are_equal(tag.as_ref(), signature).is_ok()
            })
        })
    }
}

/// What the header says: `t=<seconds>,v1=<hex>,v1=<hex>,…`. Other schemes are not looked at.
struct Signed<'a> {
    /// As it was written, which is what was signed.
    at: &'a str,
    seconds: Option<u64>,
    signatures: Vec<[u8; 32]>,
}

impl<'a> Signed<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let mut at = None;
        let mut signatures = Vec::new();
        for (name, value) in header
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
        {
            match name {
                "t" => at = Some(value),
                "v1" => signatures.extend(bytes_of(value)),
                _ => {}
            }
        }
        let at = at?;
        Some(Self {
            at,
            seconds: at.parse().ok(),
            signatures,
        })
    }
}

/// 32 bytes in hexadecimal digits.
fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `generateTestHeaderString` of the Node package `stripe`, for this body, these secrets and this time.
    const BODY: &str = r#"{"id": "evt_1", "object": "event", "type": "ping", "text": "café"}"#;
    const AT: u64 = 1_700_000_000;
    const SECRET: &str = "whsec_test_secret";
    const OTHER: &str = "whsec_other";
    const BY_SECRET: &str = "v1=3ac9063c2951a4362e3b099fa077ff8bdd07494121321779e7970d6d3a68a1d1";
    const BY_OTHER: &str = "v1=5a0c15f7da9c64e0572d92fddcc6c620229d5e0c328e6144107663d71f1531e0";

    fn check(secrets: &[&str], header: &str, body: &str, now: u64) -> String {
        let header = HeaderValue::from_str(header).unwrap();
        let secrets = WebhookSecrets::of(secrets.iter().copied());
        match secrets.check(Some(&header), body.as_bytes(), now) {
            Ok(()) => "good".to_owned(),
            Err(error) => error.body().code,
        }
    }

    #[test]
    fn what_stripe_signs_is_good() {
        let header = format!("t={AT},{BY_SECRET}");
        for header in [
            header.clone(),
            format!("t={AT},v0=aa,{BY_SECRET}"),
            format!("t={AT},{BY_OTHER},{BY_SECRET}"),
            format!("{BY_SECRET}, t={AT}"),
        ] {
            assert_eq!(check(&[SECRET], &header, BODY, AT), "good", "{header}");
        }
        // Two secrets while one is being replaced: either is enough.
        for header in [header, format!("t={AT},{BY_OTHER}")] {
            assert_eq!(check(&[OTHER, SECRET], &header, BODY, AT), "good");
        }
    }

    #[test]
    fn what_is_not_signed_is_not() {
        let good = format!("t={AT},{BY_SECRET}");
        let another_body = BODY.replace("ping", "pong");
        let re_encoded = serde_json::from_str::<serde_json::Value>(BODY)
            .unwrap()
            .to_string();
        let cut = &BODY[..BODY.len() - 1];
        for (header, body) in [
            (good.as_str(), another_body.as_str()),
            (&good, &re_encoded),
            (&good, cut),
            (&good, ""),
            (&good[..good.len() - 2], BODY),
            (&format!("t={},{BY_SECRET}", AT + 1), BODY),
            (&format!("t={AT},{BY_OTHER}"), BODY),
            (&format!("t={AT},{}", BY_SECRET.replace("v1", "v0")), BODY),
            (&format!("t={AT},v1={}", "0".repeat(64)), BODY),
            (&format!("t={AT},v1="), BODY),
            (BY_SECRET, BODY),
            (&format!("t=,{BY_SECRET}"), BODY),
            ("", BODY),
        ] {
            let said = check(&[SECRET], header, body, AT);
            assert_eq!(said, "signature_invalid", "{header} {body}");
        }
        assert_eq!(check(&[], &good, BODY, AT), "signature_invalid");
        let missing = WebhookSecrets::of([SECRET]).check(None, BODY.as_bytes(), AT);
        assert_eq!(missing.unwrap_err().body().code, "signature_missing");
    }

    #[test]
    fn a_signature_is_good_for_five_minutes() {
        let header = format!("t={AT},{BY_SECRET}");
        for (now, said) in [
            (AT + 300, "good"),
            (AT - 300, "good"),
            (AT + 301, "signature_expired"),
            (AT - 301, "signature_expired"),
            (0, "signature_expired"),
            (u64::MAX, "signature_expired"),
        ] {
            assert_eq!(check(&[SECRET], &header, BODY, now), said, "{now}");
        }
    }
}
