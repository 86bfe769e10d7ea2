//! What Stripe takes, and how it says no to what it does not take.
//!
//! The names, types and values are those of version 2025-03-31.basil, as the declarations of Stripe's own client have them
//! (<https://www.npmjs.com/package/stripe/v/18.0.0>, `types/*Resource.d.ts`). What is documented and not used by us is listed as well, and
//! answered 501: then this stand-in has to learn it first.

/// Of one address. Words, each the name of a parameter.
pub struct Parameters {
    /// `items[][price]` for `items[0][price]`, `metadata[*]` for any name. Text, or `name:whole`, `name:bool`, `name:one|of|these`.
    pub used: &'static str,
    pub required: &'static str,
    /// By their first names.
    pub documented: &'static str,
}

const NONE: Parameters = Parameters {
    used: "expand[]",
    required: "",
    documented: "",
};

const CUSTOMER: Parameters = Parameters {
    used: "metadata[*] name email description",
    required: "",
    documented: "address balance cash_balance expand invoice_prefix invoice_settings next_invoice_sequence payment_method phone \
                 preferred_locales shipping source tax tax_exempt tax_id_data test_clock validate",
};

const CREATE_CHECKOUT_SESSION: Parameters = Parameters {
    used: "mode:payment|setup|subscription customer client_reference_id line_items[][price] line_items[][quantity]:whole \
           line_items[][price_data][currency] line_items[][price_data][unit_amount]:whole line_items[][price_data][product_data][name] \
           line_items[][price_data][recurring][interval]:day|month|week|year payment_intent_data[metadata][*] subscription_data[metadata][*] subscription_data[trial_period_days]:whole allow_promotion_codes:bool success_url cancel_url metadata[*]",
    // Of a page of Stripe's own: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-success_url
    required: "mode success_url",
    documented: "adaptive_pricing after_expiration automatic_tax billing_address_collection consent_collection currency custom_fields \
                 custom_text customer_creation customer_email customer_update discounts expand expires_at invoice_creation locale \
                 optional_items payment_method_collection payment_method_configuration payment_method_data \
                 payment_method_options payment_method_types permissions phone_number_collection redirect_on_completion return_url \
                 saved_payment_method_options setup_intent_data shipping_address_collection shipping_options submit_type \
                 tax_id_collection ui_mode",
};

const CREATE_PORTAL_SESSION: Parameters = Parameters {
    used: "customer return_url",
    required: "customer",
    documented: "configuration expand flow_data locale on_behalf_of",
};

const UPDATE_SUBSCRIPTION: Parameters = Parameters {
    used: "items[][id] items[][price] items[][quantity]:whole cancel_at_period_end:bool \
           proration_behavior:always_invoice|create_prorations|none \
           payment_behavior:allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete",
    required: "",
    documented: "add_invoice_items application_fee_percent automatic_tax billing_cycle_anchor cancel_at cancellation_details \
                 collection_method days_until_due default_payment_method default_source default_tax_rates description discounts expand \
                 invoice_settings metadata off_session on_behalf_of pause_collection payment_settings pending_invoice_item_interval \
                 proration_date transfer_data trial_end trial_from_plan trial_settings",
};

const CREATE_SCHEDULE: Parameters = Parameters {
    used: "from_subscription",
    required: "",
    documented: "customer default_settings end_behavior expand metadata phases start_date",
};

const UPDATE_SCHEDULE: Parameters = Parameters {
    used: "end_behavior:cancel|none|release|renew phases[][start_date]:whole phases[][end_date]:whole phases[][iterations]:whole \
           phases[][proration_behavior]:always_invoice|create_prorations|none phases[][items][][price] phases[][items][][quantity]:whole \
           phases[][discounts][][coupon] phases[][discounts][][discount]",
    required: "",
    documented: "default_settings expand metadata proration_behavior",
};

const CREATE_PRODUCT: Parameters = Parameters {
    used: "id name metadata[*]",
    required: "name",
    documented: "active default_price_data description expand images marketing_features package_dimensions shippable \
                 statement_descriptor tax_code type unit_label url",
};

const UPDATE_PRODUCT: Parameters = Parameters {
    used: "name active:bool metadata[*]",
    required: "",
    documented: "default_price description expand images marketing_features package_dimensions shippable statement_descriptor tax_code \
                 unit_label url",
};

const CREATE_PRICE: Parameters = Parameters {
    used: "currency product unit_amount:whole recurring[interval]:day|month|week|year lookup_key transfer_lookup_key:bool metadata[*]",
    required: "currency",
    documented: "active billing_scheme currency_options custom_unit_amount expand nickname product_data tax_behavior tiers tiers_mode \
                 transform_quantity unit_amount_decimal",
};

const LIST_PRICES: Parameters = Parameters {
    used: "lookup_keys[] active:bool product limit:whole starting_after",
    required: "",
    documented: "created currency ending_before expand recurring type",
};

const LIST_SUBSCRIPTIONS: Parameters = Parameters {
    used: "limit:whole starting_after \
           status:active|all|canceled|ended|incomplete|incomplete_expired|past_due|paused|trialing|unpaid",
    required: "",
    documented: "automatic_tax collection_method created current_period_end current_period_start customer ending_before expand plan price \
                 test_clock",
};

const LIST_CUSTOMERS: Parameters = Parameters {
    used: "limit:whole starting_after created[gte]:whole",
    required: "",
    documented: "email ending_before expand test_clock",
};

const LIST_INVOICES: Parameters = Parameters {
    used: "limit:whole starting_after created[gte]:whole",
    required: "",
    documented: "collection_method customer due_date ending_before expand status subscription",
};

const LIST_PRODUCTS: Parameters = Parameters {
    used: "limit:whole starting_after created[gte]:whole",
    required: "",
    documented: "active ending_before expand ids shippable type url",
};

const LIST_CHARGES: Parameters = Parameters {
    used: "limit:whole starting_after created[gte]:whole",
    required: "",
    documented: "customer ending_before expand payment_intent transfer_group",
};

/// Of an address below `/v1/`; none where Stripe has none, or this stand-in does not know it.
pub fn of(method: &str, path: &[&str]) -> Option<&'static Parameters> {
    Some(match (method, path) {
        ("POST", ["customers"] | ["customers", _]) => &CUSTOMER,
        ("POST", ["checkout", "sessions"]) => &CREATE_CHECKOUT_SESSION,
        ("POST", ["checkout", "sessions", _, "expire"]) => &NONE,
        ("POST", ["billing_portal", "sessions"]) => &CREATE_PORTAL_SESSION,
        ("POST", ["subscriptions", _]) => &UPDATE_SUBSCRIPTION,
        ("POST", ["subscription_schedules"]) => &CREATE_SCHEDULE,
        ("POST", ["subscription_schedules", _, "release"]) => &NONE,
        ("POST", ["subscription_schedules", _]) => &UPDATE_SCHEDULE,
        ("POST", ["products"]) => &CREATE_PRODUCT,
        ("POST", ["products", _]) => &UPDATE_PRODUCT,
        ("POST", ["prices"]) => &CREATE_PRICE,
        ("GET", ["prices"]) => &LIST_PRICES,
        ("GET", ["subscriptions"]) => &LIST_SUBSCRIPTIONS,
        ("GET", ["customers"]) => &LIST_CUSTOMERS,
        ("GET", ["invoices"]) => &LIST_INVOICES,
        ("GET", ["products"]) => &LIST_PRODUCTS,
        ("GET", ["charges"]) => &LIST_CHARGES,
        ("GET", ["checkout", "sessions", _]) => &NONE,
        ("GET", [collection, _]) if OBJECTS.contains(collection) => &NONE,
        _ => return None,
    })
}

const OBJECTS: &[&str] = &[
    "customers",
    "subscriptions",
    "subscription_schedules",
    "invoices",
    "products",
    "prices",
    "charges",
    "payment_intents",
];

/// How Stripe calls what is wrong: <https://docs.stripe.com/error-codes>.
#[derive(Debug, PartialEq)]
pub enum Wrong {
    Unknown(String),
    Missing(String),
    Invalid(&'static str, String),
    /// Documented, and not known here.
    NotLearned(String),
}

/// # Errors
/// The first that is wrong.
pub fn check(parameters: &Parameters, sent: &[(String, String)]) -> Result<(), Wrong> {
    for (name, value) in sent {
        let kind = kind(parameters, name)?;
        let wrong = match kind {
            "" => value.is_empty().then_some("parameter_invalid_empty"),
            "whole" => value
                .parse::<i64>()
                .is_err()
                .then_some("parameter_invalid_integer"),
            "bool" => (!matches!(&**value, "true" | "false")).then_some(""),
            values => (!values.split('|').any(|one| one == value)).then_some(""),
        };
        if let Some(code) = wrong {
            return Err(Wrong::Invalid(code, name.clone()));
        }
    }
    let mut required = parameters.required.split_whitespace();
    match required.find(|required| !sent.iter().any(|(name, _)| name == required)) {
        Some(missing) => Err(Wrong::Missing(missing.to_owned())),
        None => Ok(()),
    }
}

fn kind(parameters: &Parameters, name: &str) -> Result<&'static str, Wrong> {
    let pattern = pattern(name);
    let first = name.split('[').next().unwrap_or_default();
    let used = parameters.used.split_whitespace();
    let mut used = used.map(|word| word.split_once(':').unwrap_or((word, "")));
    let found = used.find(|(used, _)| {
        let is_any_below = used
            .strip_suffix("[*]")
            .is_some_and(|prefix| is_below(&pattern, prefix));
        *used == pattern || is_any_below
    });
    match found {
        Some((_, kind)) => Ok(kind),
        None if parameters
            .documented
            .split_whitespace()
            .any(|word| word == first) =>
        {
            Err(Wrong::NotLearned(name.to_owned()))
        }
        None => Err(Wrong::Unknown(name.to_owned())),
    }
}

/// `metadata[anything]`, one level deep.
fn is_below(name: &str, prefix: &str) -> bool {
    let rest = name
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('['));
    rest.is_some_and(|rest| rest.len() > 1 && rest.find(']') == Some(rest.len() - 1))
}

/// Without the numbers of what is listed.
fn pattern(name: &str) -> String {
    let is_number = |part: &str| {
        let index = part.strip_suffix(']');
        index.is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let parts = name.split('[');
    let parts: Vec<&str> = parts
        .map(|part| if is_number(part) { "]" } else { part })
        .collect();
    parts.join("[")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(sent: &[(&str, &str)]) -> Result<(), Wrong> {
        let sent: Vec<_> = sent
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        check(of("POST", &["checkout", "sessions"]).unwrap(), &sent)
    }

    #[test]
    fn it_is_as_strict_as_stripe() {
        let good = [("mode", "subscription"), ("success_url", "https://a.test")];
        let with = |name, value| checked(&[good[0], good[1], (name, value)]);
        assert_eq!(checked(&good), Ok(()));
        assert_eq!(with("line_items[0][price]", "price_1"), Ok(()));
        assert_eq!(with("subscription_data[metadata][tenant_id]", "x"), Ok(()));
        for name in [
            "line_items[0][prize]",
            "trial_period_days",
            "subscription_data[trail_period_days]",
            "metadata",
            "metadata[a][b]",
        ] {
            assert_eq!(with(name, "1"), Err(Wrong::Unknown(name.to_owned())));
        }
        for (name, value, code) in [
            (
                "line_items[0][quantity]",
                "many",
                "parameter_invalid_integer",
            ),
            ("allow_promotion_codes", "1", ""),
            ("customer", "", "parameter_invalid_empty"),
            ("mode", "gift", ""),
        ] {
            let invalid = Err(Wrong::Invalid(code, name.to_owned()));
            assert_eq!(with(name, value), invalid);
        }
        let not_learned = Err(Wrong::NotLearned("ui_mode".to_owned()));
        assert_eq!(with("ui_mode", "embedded"), not_learned);
        let missing = Err(Wrong::Missing("success_url".to_owned()));
        assert_eq!(checked(&good[..1]), missing);
    }
}
