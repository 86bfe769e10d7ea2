use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use sqlx::types::Json as FromJson;
use utoipa::ToSchema;

use super::checkout_session::{self, CheckoutSession};
use super::interval::Interval;
use super::redirect::Redirect;
use crate::error::{ApiError, ErrorBody};
use crate::extract;
use crate::stripe::{ReturnUrls, StripeApi};
use crate::whose::Whose;

/// A session that was over, and one more in its place, while somebody else does the same.
const MOST_TRIES: usize = 3;

/// What is to be bought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    /// The key of a plan.
    #[schema(example = "professional")]
    plan: String,
    #[serde(default)]
    interval: Interval,
    /// Of a plan that is paid by the seat: at least as many as members, and as many when it is left out.
    #[schema(minimum = 1, maximum = 1_000_000)]
    seats: Option<u32>,
    /// Whether the page has a field for a promotion code.
    #[serde(default)]
    pub allow_promotion_codes: bool,
    /// Where the person comes back to once it is paid. `{CHECKOUT_SESSION_ID}` in it is replaced by Stripe.
    pub success_url: String,
    /// Where the person comes back to who does not pay.
    pub cancel_url: String,
}

/// What a session is made of.
#[derive(Deserialize)]
pub struct Begun {
    pub customer: String,
    pub price: String,
    pub seats: u64,
    pub trial_days: Option<u32>,
    pub generation: i64,
    /// Of this generation, where it is known.
    session: Option<String>,
    to_expire: Vec<String>,
}

/// Begins a checkout: answers the address of a page of Stripe's, on which the plan is paid. Who may: members with `billing.manage`.
///
/// A tenant has one customer in Stripe, and one open checkout: who asks for the same again gets the same page, and another wish closes the page
/// before it. A tenant's first subscription has the plan's trial; a later one has none.
#[utoipa::path(
    post, path = "/v1/billing/checkout", tag = "billing", operation_id = "createCheckout",
    params(("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address.")),
    request_body = Checkout,
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The page.", body = Redirect),
        (status = 400, description = "`return_url_not_allowed`: its origin is none of those that the operator lists. `plan_has_no_seats`. `tenant_required`: it is not said whose. `invalid_json`, `invalid_body`, `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage billing. `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`no_such_plan`. `not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
        (status = 409, description = "`already_subscribed`: change the plan instead. `checkout_paid`: a page was just paid, and its subscription is about to begin. `checkout_replaced`: somebody asked for another plan meanwhile. `too_few_seats`. `plan_not_for_sale`.", body = ErrorBody),
        (status = 413, description = "`body_too_large`.", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`: the body is not JSON.", body = ErrorBody),
        (status = 502, description = "`stripe_refused`: the operator's log says why.", body = ErrorBody),
        (status = 503, description = "`billing_not_configured`: the operator has given this service no key to Stripe. `stripe_unavailable`, `overloaded`, `unavailable`: try again after Retry-After seconds.", body = ErrorBody),
    )
)]
pub async fn create_checkout(
    whose: Whose,
    State(api): State<Option<StripeApi>>,
    State(return_urls): State<ReturnUrls>,
    extract::Json(wanted): extract::Json<Checkout>,
) -> Result<Json<Redirect>, ApiError> {
    // Who may not is told so before anybody is told what this service lacks.
    let payer = whose
        .customer_for_checkout(&wanted.plan, wanted.interval)
        .await?;
    return_urls.check("success_url", &wanted.success_url)?;
    return_urls.check("cancel_url", &wanted.cancel_url)?;
    let api = api.ok_or(ApiError::BillingNotConfigured)?;
    payer.customer(&whose, &api).await?;
    for _ in 0..MOST_TRIES {
        let begun = whose.begin_checkout(&wanted).await?;
        for session in &begun.to_expire {
            if let checkout_session::State::Paid = CheckoutSession::close(&api, session).await? {
                return Err(paid());
            }
        }
        let session = match &begun.session {
            Some(known) => CheckoutSession::find(&api, known).await?,
            None => CheckoutSession::create(&whose, &api, &wanted, &begun).await?,
        };
        let url = match session.state {
            checkout_session::State::Open(url) => url,
            checkout_session::State::Paid => return Err(paid()),
            checkout_session::State::Over => {
                whose.end_checkout(begun.generation).await?;
                continue;
            }
        };
        if whose.record_checkout(&begun, &session.id).await? {
            return Ok(Json(Redirect { url }));
        }
        // Nobody else knows of it.
        CheckoutSession::close(&api, &session.id).await?;
        return Err(ApiError::Conflict {
            code: "checkout_replaced",
            message: "somebody in this tenant has begun another checkout meanwhile",
            hint: "ask again for the one that is meant",
        });
    }
    Err(ApiError::Overloaded(
        "checkouts of this tenant begin and end all the time",
    ))
}

fn paid() -> ApiError {
    ApiError::Conflict {
        code: "checkout_paid",
        message: "a checkout of this tenant was just paid, and its subscription is about to begin",
        hint: "wait until it stands in the table subscriptions; then change its plan: POST /v1/billing/subscription",
    }
}

impl Whose {
    async fn begin_checkout(&self, wanted: &Checkout) -> Result<Begun, ApiError> {
        let asked = serde_json::json!([
            wanted.success_url,
            wanted.cancel_url,
            wanted.allow_promotion_codes
        ]);
        let mut transaction = self.session.begin_as_service().await?;
        let begun = sqlx::query_scalar!(
            r#"select edge.begin_checkout($1, $2, $3, $4, $5) as "begun!: FromJson<Begun>""#,
            self.tenant_id,
            wanted.plan,
            wanted.interval.name(),
            wanted.seats.map(i64::from),
            asked.to_string()
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(begun.0)
    }

    /// False when something else is wanted by now.
    async fn record_checkout(&self, begun: &Begun, session: &str) -> Result<bool, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let is_recorded = sqlx::query_scalar!(
            r#"select edge.record_checkout($1, $2, $3, $4) as "is_recorded!""#,
            self.tenant_id,
            begun.generation,
            session,
            &begun.to_expire
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(is_recorded)
    }

    async fn end_checkout(&self, generation: i64) -> Result<(), ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        sqlx::query!(
            "select edge.end_checkout($1, $2)",
            self.tenant_id,
            generation
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }
}
