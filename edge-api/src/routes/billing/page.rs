//! An invoice preview as a page.

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value as Shown};
use minijinja::{AutoEscape, Environment, Error, ErrorKind};
use serde_json::Value;

/// Currencies without minor units, and those whose amounts Stripe writes so: <https://docs.stripe.com/currencies#zero-decimal>.
const WITHOUT_DECIMALS: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv",
    "xaf", "xof", "xpf",
];
const WITH_THREE_DECIMALS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// Everything that is put into the page is escaped, wherever it comes from.
///
/// # Errors
/// When the preview is not as the template expects it.
pub fn render(preview: &Value) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("money", |amount: Shown, currency: String| {
        amount
            .to_string()
            .parse()
            .map(|amount| money(amount, &currency))
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, "an amount is no number"))
    });
    environment.add_filter("grouped", |number: Shown| grouped(&number.to_string()));
    environment.add_filter("day", |time: String| {
        time.get(..10).unwrap_or_default().to_owned()
    });
    environment
        .template_from_str(include_str!("page.html"))?
        .render(BTreeMap::from([("preview", Serde(preview.clone()))]))
}

/// An amount in minor units as people write it. A price of a unit may be a part of a minor unit: no digit of it is lost.
fn money(amount: f64, currency: &str) -> String {
    let places: usize = match currency {
        currency if WITHOUT_DECIMALS.contains(&currency) => 0,
        currency if WITH_THREE_DECIMALS.contains(&currency) => 3,
        _ => 2,
    };
    let shown = shifted(&amount.to_string(), places);
    format!("{} {}", grouped(&shown), currency.to_uppercase())
}

/// A decimal number divided by ten to the `places`, digit by digit.
fn shifted(number: &str, places: usize) -> String {
    let (sign, number) = number
        .strip_prefix('-')
        .map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = format!("{whole:0>width$}", width = places + 1);
    let (whole, moved) = whole.split_at(whole.len() - places);
    let fraction = format!("{moved}{}", fraction.trim_end_matches('0'));
    if fraction.is_empty() {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{fraction}")
}

/// 1234567.5 as 1,234,567.5.
fn grouped(number: &str) -> String {
    let (sign, number) = number
        .strip_prefix('-')
        .map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut shown = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    if fraction.is_empty() || fraction == "0" {
        return format!("{sign}{shown}");
    }
    format!("{sign}{shown}.{fraction}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_written_as_their_currency_is() {
        for (amount, currency, written) in [
            (0.0, "usd", "0.00 USD"),
            (5.0, "usd", "0.05 USD"),
            (4_900.0, "eur", "49.00 EUR"),
            (123_456_789.0, "usd", "1,234,567.89 USD"),
            (-250.0, "usd", "-2.50 USD"),
            (0.002, "usd", "0.00002 USD"),
            (1.5, "usd", "0.015 USD"),
            (4_900.0, "jpy", "4,900 JPY"),
            (4_900.0, "kwd", "4.900 KWD"),
        ] {
            assert_eq!(money(amount, currency), written);
        }
    }

    #[test]
    fn whatever_a_plan_is_called_is_text() {
        let hostile = "</td><script>alert(1)</script>";
        let page = render(&json!({
            "currency": hostile, "as_of": hostile, "subscription": {"id": hostile, "status": hostile},
            "period": {"start": hostile, "end": hostile}, "subtotal": 1, "total_before_tax": 1,
            "lines": [
                {"kind": "plan", "plan": hostile, "description": hostile, "interval": hostile, "quantity": 1, "unit_amount": 1, "is_trial": false,
                 "period_start": hostile, "period_end": hostile, "amount": 1},
                {"kind": hostile, "meter": hostile, "unit": hostile, "used": 1, "included": 0, "billable": 1, "unit_amount": 0.5, "is_trial": false,
                 "period_start": hostile, "period_end": hostile, "amount": 1},
            ],
        }))
        .unwrap();
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.to_lowercase().contains("<script"), "{page}");
    }

    #[test]
    fn without_a_subscription_there_is_nothing_to_pay() {
        let page = render(&json!({"currency": null, "as_of": "2026-01-01T00:00:00Z", "subscription": null, "period": null, "lines": [], "subtotal": 0, "total_before_tax": 0}))
            .unwrap();
        assert!(page.contains("There is no subscription"), "{page}");
    }
}
