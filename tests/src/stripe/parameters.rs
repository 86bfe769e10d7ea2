//! What Stripe takes, and how it says no to what it does not take.
//!
//! The names, types and values are those of version 2025-03-31.basil, as the declarations of Stripe's own client have them
//! (<https://www.npmjs.com/package/stripe/v/18.0.0>, `types/*Resource.d.ts`). What is documented and not used by us is listed as well, and
//! answered 501: then this stand-in has to learn it first.

/// Of one address.
pub struct Parameters {
    /// `items[][price]` for `items[0][price]`, `metadata[*]` for any name.
    pub used: &'static [(&'static str, Kind)],
    pub required: &'static [&'static str],
    /// By their first name.
    pub documented: &'static [&'static str],
}

#[derive(Clone, Copy)]
pub enum Kind {
    Text,
    Whole,
    Yes,
    One(&'static [&'static str]),
}

use Kind::{One, Text, Whole, Yes};

const NONE: Parameters = Parameters {
    used: &[("expand[]", Text)],
    required: &[],
    documented: &[],
};

const CREATE_CUSTOMER: Parameters = Parameters {
    used: &[
        ("metadata[*]", Text),
        ("name", Text),
        ("email", Text),
        ("description", Text),
    ],
    required: &[],
    documented: &[
        "address",
        "balance",
        "cash_balance",
        "expand",
        "invoice_prefix",
        "invoice_settings",
        "next_invoice_sequence",
        "payment_method",
        "phone",
        "preferred_locales",
        "shipping",
        "source",
        "tax",
        "tax_exempt",
        "tax_id_data",
        "test_clock",
        "validate",
    ],
};

const CREATE_CHECKOUT_SESSION: Parameters = Parameters {
    used: &[
        ("mode", One(&["payment", "setup", "subscription"])),
        ("customer", Text),
        ("client_reference_id", Text),
        ("line_items[][price]", Text),
        ("line_items[][price_data][currency]", Text),
        ("line_items[][price_data][unit_amount]", Whole),
        ("line_items[][price_data][product_data][name]", Text),
        (
            "line_items[][price_data][recurring][interval]",
            One(&["day", "month", "week", "year"]),
        ),
        ("line_items[][quantity]", Whole),
        ("payment_intent_data[metadata][*]", Text),
        ("subscription_data[metadata][*]", Text),
        ("subscription_data[trial_period_days]", Whole),
        ("allow_promotion_codes", Yes),
        ("success_url", Text),
        ("cancel_url", Text),
        ("metadata[*]", Text),
    ],
    // In hosted mode; success_url with it: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-success_url
    required: &["mode", "success_url"],
    documented: &[
        "adaptive_pricing",
        "after_expiration",
        "automatic_tax",
        "billing_address_collection",
        "consent_collection",
        "currency",
        "custom_fields",
        "custom_text",
        "customer_creation",
        "customer_email",
        "customer_update",
        "discounts",
        "expand",
        "expires_at",
        "invoice_creation",
        "line_items",
        "locale",
        "optional_items",
        "payment_intent_data",
        "payment_method_collection",
        "payment_method_configuration",
        "payment_method_data",
        "payment_method_options",
        "payment_method_types",
        "permissions",
        "phone_number_collection",
        "redirect_on_completion",
        "return_url",
        "saved_payment_method_options",
        "setup_intent_data",
        "shipping_address_collection",
        "shipping_options",
        "submit_type",
        "subscription_data",
        "tax_id_collection",
        "ui_mode",
    ],
};

const CREATE_PORTAL_SESSION: Parameters = Parameters {
    used: &[("customer", Text), ("return_url", Text)],
    required: &["customer"],
    documented: &[
        "configuration",
        "expand",
        "flow_data",
        "locale",
        "on_behalf_of",
    ],
};

const UPDATE_SUBSCRIPTION: Parameters = Parameters {
    used: &[
        ("items[][id]", Text),
        ("items[][price]", Text),
        ("items[][quantity]", Whole),
        (
            "proration_behavior",
            One(&["always_invoice", "create_prorations", "none"]),
        ),
        (
            "payment_behavior",
            One(&[
                "allow_incomplete",
                "default_incomplete",
                "error_if_incomplete",
                "pending_if_incomplete",
            ]),
        ),
        ("cancel_at_period_end", Yes),
    ],
    required: &[],
    documented: &[
        "add_invoice_items",
        "application_fee_percent",
        "automatic_tax",
        "billing_cycle_anchor",
        "cancel_at",
        "cancellation_details",
        "collection_method",
        "days_until_due",
        "default_payment_method",
        "default_source",
        "default_tax_rates",
        "description",
        "discounts",
        "expand",
        "invoice_settings",
        "items",
        "metadata",
        "off_session",
        "on_behalf_of",
        "pause_collection",
        "payment_settings",
        "pending_invoice_item_interval",
        "proration_date",
        "transfer_data",
        "trial_end",
        "trial_from_plan",
        "trial_settings",
    ],
};

const CREATE_SCHEDULE: Parameters = Parameters {
    used: &[("from_subscription", Text)],
    required: &[],
    documented: &[
        "customer",
        "default_settings",
        "end_behavior",
        "expand",
        "metadata",
        "phases",
        "start_date",
    ],
};

const UPDATE_SCHEDULE: Parameters = Parameters {
    used: &[
        ("end_behavior", One(&["cancel", "none", "release", "renew"])),
        ("phases[][start_date]", Whole),
        ("phases[][end_date]", Whole),
        ("phases[][iterations]", Whole),
        (
            "phases[][proration_behavior]",
            One(&["always_invoice", "create_prorations", "none"]),
        ),
        ("phases[][items][][price]", Text),
        ("phases[][items][][quantity]", Whole),
        ("phases[][discounts][][coupon]", Text),
        ("phases[][discounts][][discount]", Text),
    ],
    required: &[],
    documented: &[
        "default_settings",
        "expand",
        "metadata",
        "phases",
        "proration_behavior",
    ],
};

const CREATE_PRODUCT: Parameters = Parameters {
    used: &[("id", Text), ("name", Text), ("metadata[*]", Text)],
    required: &["name"],
    documented: &[
        "active",
        "default_price_data",
        "description",
        "expand",
        "images",
        "marketing_features",
        "package_dimensions",
        "shippable",
        "statement_descriptor",
        "tax_code",
        "type",
        "unit_label",
        "url",
    ],
};

const UPDATE_PRODUCT: Parameters = Parameters {
    used: &[("name", Text), ("active", Yes), ("metadata[*]", Text)],
    required: &[],
    documented: &[
        "default_price",
        "description",
        "expand",
        "images",
        "marketing_features",
        "package_dimensions",
        "shippable",
        "statement_descriptor",
        "tax_code",
        "unit_label",
        "url",
    ],
};

const CREATE_PRICE: Parameters = Parameters {
    used: &[
        ("currency", Text),
        ("product", Text),
        ("unit_amount", Whole),
        (
            "recurring[interval]",
            One(&["day", "month", "week", "year"]),
        ),
        ("lookup_key", Text),
        ("transfer_lookup_key", Yes),
        ("metadata[*]", Text),
    ],
    required: &["currency"],
    documented: &[
        "active",
        "billing_scheme",
        "currency_options",
        "custom_unit_amount",
        "expand",
        "nickname",
        "product_data",
        "recurring",
        "tax_behavior",
        "tiers",
        "tiers_mode",
        "transform_quantity",
        "unit_amount_decimal",
    ],
};

const LIST: &[(&str, Kind)] = &[
    ("limit", Whole),
    ("starting_after", Text),
    ("ending_before", Text),
    ("created[gte]", Whole),
    ("created[gt]", Whole),
    ("created[lte]", Whole),
    ("created[lt]", Whole),
];

const LIST_PRICES: Parameters = Parameters {
    used: &[
        ("lookup_keys[]", Text),
        ("active", Yes),
        ("limit", Whole),
        ("starting_after", Text),
        ("product", Text),
    ],
    required: &[],
    documented: &[
        "created",
        "currency",
        "ending_before",
        "expand",
        "recurring",
        "type",
    ],
};

const LIST_SUBSCRIPTIONS: Parameters = Parameters {
    used: &[
        ("limit", Whole),
        ("starting_after", Text),
        (
            "status",
            One(&[
                "active",
                "all",
                "canceled",
                "ended",
                "incomplete",
                "incomplete_expired",
                "past_due",
                "paused",
                "trialing",
                "unpaid",
            ]),
        ),
    ],
    required: &[],
    documented: &[
        "automatic_tax",
        "collection_method",
        "created",
        "current_period_end",
        "current_period_start",
        "customer",
        "ending_before",
        "expand",
        "plan",
        "price",
        "test_clock",
    ],
};

const LIST_OTHERS: Parameters = Parameters {
    used: LIST,
    required: &[],
    documented: &[
        "active",
        "collection_method",
        "created",
        "customer",
        "due_date",
        "email",
        "expand",
        "ids",
        "payment_intent",
        "shippable",
        "status",
        "subscription",
        "test_clock",
        "transfer_group",
        "type",
        "url",
    ],
};

/// Of an address below `/v1/`; none where Stripe has none, or this stand-in does not know it.
pub fn of(method: &str, path: &[&str]) -> Option<&'static Parameters> {
    Some(match (method, path) {
        ("POST", ["customers"] | ["customers", _]) => &CREATE_CUSTOMER,
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
        ("GET", ["customers" | "invoices" | "products" | "charges"]) => &LIST_OTHERS,
        ("GET", ["checkout", "sessions", _])
        | (
            "GET",
            [
                "customers"
                | "subscriptions"
                | "invoices"
                | "products"
                | "prices"
                | "charges"
                | "subscription_schedules",
                _,
            ],
        ) => &NONE,
        _ => return None,
    })
}

/// How Stripe calls what is wrong: <https://docs.stripe.com/error-codes>.
#[derive(Debug, PartialEq)]
pub enum Wrong {
    Unknown(String),
    Missing(String),
    Invalid(&'static str, String),
    /// Documented, and not known here.
    NotLearned(String),
}

pub fn check(parameters: &Parameters, sent: &[(String, String)]) -> Result<(), Wrong> {
    for (name, value) in sent {
        let pattern = pattern(name);
        let kind = parameters.used.iter().find(|(used, _)| {
            *used == pattern
                || used
                    .strip_suffix("[*]")
                    .is_some_and(|prefix| below(&pattern, prefix))
        });
        let Some((_, kind)) = kind else {
            let first = name.split('[').next().unwrap_or_default();
            // Of what we send, parts are looked at one by one; of others only whether there are such.
            let is_used = parameters
                .used
                .iter()
                .any(|(used, _)| used.split('[').next() == Some(first));
            return Err(match parameters.documented.contains(&first) && !is_used {
                true => Wrong::NotLearned(name.clone()),
                false => Wrong::Unknown(name.clone()),
            });
        };
        let is_right = match kind {
            Text => !value.is_empty(),
            Whole => value.parse::<i64>().is_ok(),
            Yes => matches!(&**value, "true" | "false"),
            One(values) => values.contains(&&**value),
        };
        if !is_right {
            let code = match kind {
                Whole => "parameter_invalid_integer",
                Text => "parameter_invalid_empty",
                _ => "",
            };
            return Err(Wrong::Invalid(code, name.clone()));
        }
    }
    let is_there = |required: &&&str| !sent.iter().any(|(name, _)| name == **required);
    match parameters.required.iter().find(is_there) {
        Some(missing) => Err(Wrong::Missing((*missing).to_owned())),
        None => Ok(()),
    }
}

/// `metadata[anything]`, one level deep.
fn below(name: &str, prefix: &str) -> bool {
    let rest = name
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('['));
    rest.is_some_and(|rest| rest.len() > 1 && rest.find(']') == Some(rest.len() - 1))
}

fn pattern(name: &str) -> String {
    let mut pattern = String::new();
    for (number, part) in name.split('[').enumerate() {
        if number > 0 {
            pattern.push('[');
        }
        let is_index = part
            .strip_suffix(']')
            .is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()));
        pattern.push_str(if is_index { "]" } else { part });
    }
    pattern
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
        for (name, value) in [
            ("line_items[0][prize]", "x"),
            ("trial_period_days", "1"),
            ("subscription_data[trail_period_days]", "1"),
            ("metadata", "x"),
        ] {
            assert_eq!(with(name, value), Err(Wrong::Unknown(name.to_owned())));
        }
        assert_eq!(
            with("line_items[0][quantity]", "many"),
            Err(Wrong::Invalid(
                "parameter_invalid_integer",
                "line_items[0][quantity]".to_owned()
            ))
        );
        assert_eq!(
            with("allow_promotion_codes", "1"),
            Err(Wrong::Invalid("", "allow_promotion_codes".to_owned()))
        );
        assert_eq!(
            with("customer", ""),
            Err(Wrong::Invalid(
                "parameter_invalid_empty",
                "customer".to_owned()
            ))
        );
        assert_eq!(
            with("ui_mode", "embedded"),
            Err(Wrong::NotLearned("ui_mode".to_owned()))
        );
        assert_eq!(
            checked(&good[..1]),
            Err(Wrong::Missing("success_url".to_owned()))
        );
        assert_eq!(
            checked(&[("mode", "gift"), good[1]]),
            Err(Wrong::Invalid("", "mode".to_owned()))
        );
    }
}
