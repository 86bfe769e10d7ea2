use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::checkout_session::{self, CheckoutSession};
use super::customer::Payer;
use crate::error::{ApiError, ErrorBody};
use crate::extract;
use crate::stripe::{Form, IdempotencyKey, ReturnUrls, StripeApi};
use crate::whose::Whose;

/// A session that was over, and one more in its place, while somebody else does the same.
const MOST_TRIES: usize = 3;

/// What is to be bought in the marketplace.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Purchase)]
pub struct WantedPurchase {
    /// Of a row of `catalogue` whose price is `one_time` or `subscription`.
    listing_id: Uuid,
    /// Where the person comes back to once it is paid. `{CHECKOUT_SESSION_ID}` in it is replaced by Stripe.
    success_url: String,
    /// Where the person comes back to who does not pay.
    cancel_url: String,
}

/// A purchase, and the page on which it is paid.
#[derive(Serialize, ToSchema)]
pub struct BegunPurchase {
    /// Of a row of `purchases`, which becomes `active` once it is paid.
    purchase_id: Uuid,
    /// Send the person there. Whoever has the address can use the page, so it goes to nobody else.
    #[schema(example = "https://checkout.stripe.com/c/pay/cs_test_a1b2c3")]
    url: String,
}

/// What was begun, at the price of the listing.
struct Offer {
    purchase_id: Uuid,
    mode: String,
    name: String,
    amount: i64,
    currency: String,
    interval: Option<String>,
}

/// Who pays, and where.
struct PurchasePage {
    payer: Payer,
    session: Option<String>,
    pages_over: i32,
}

/// Begins to buy a listing of the marketplace: answers the address of a page of Stripe's, on which it is paid. Who may: members with
/// `billing.manage`.
///
/// A purchase has one open page: who asks again gets the same. What is paid by use needs none: `rpc accept_listing_price`.
#[utoipa::path(
    post, path = "/v1/billing/purchases", tag = "billing", operation_id = "createPurchase",
    params(("tenant_id" = Option<Uuid>, Query, description = "Who buys. Left out: the API key's tenant, or the one at this address.")),
    request_body = WantedPurchase,
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The page.", body = BegunPurchase),
        (status = 400, description = "`return_url_not_allowed`: its origin is none of those that the operator lists. `tenant_required`: it is not said whose. `invalid_json`, `invalid_body`, `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage billing. `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`listing_not_found`. `not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
        (status = 409, description = "`already_purchased`. `listing_is_your_own`. `listing_is_paid_by_use`: accept its price instead. `checkout_paid`: a page was just paid, or its payment is on its way; if that fails, ask again. `checkout_replaced`: somebody asks for the same from elsewhere; ask again.", body = ErrorBody),
        (status = 413, description = "`body_too_large`.", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`: the body is not JSON.", body = ErrorBody),
        (status = 502, description = "`stripe_refused`: the operator's log says why.", body = ErrorBody),
        (status = 503, description = "`billing_not_configured`: the operator has given this service no key to Stripe. `stripe_unavailable`, `overloaded`, `unavailable`: try again after Retry-After seconds.", body = ErrorBody),
    )
)]
pub async fn create_purchase(
    whose: Whose,
    State(api): State<Option<StripeApi>>,
    State(return_urls): State<ReturnUrls>,
    extract::Json(wanted): extract::Json<WantedPurchase>,
) -> Result<Json<BegunPurchase>, ApiError> {
    return_urls.check("success_url", &wanted.success_url)?;
    return_urls.check("cancel_url", &wanted.cancel_url)?;
    let offer = whose.begin_purchase(wanted.listing_id).await?;
    let api = api.ok_or(ApiError::BillingNotConfigured)?;
    let purchase_id = offer.purchase_id;
    for _ in 0..MOST_TRIES {
        let page = whose.purchase_page(purchase_id).await?;
        let session = match page.session {
            Some(known) => CheckoutSession::find(&api, &known).await?,
            None => {
                let customer = page.payer.customer(&whose, &api).await?;
                // The addresses are in the key: from two places two pages are made, of which one stays open.
                let key = format!(
                    "purchase-{purchase_id}-{}-{}-{}",
                    page.pages_over, wanted.success_url, wanted.cancel_url
                );
                let form = form(&whose, &wanted, &offer, &customer);
                CheckoutSession::make(&api, &form, &IdempotencyKey::digest(&key)).await?
            }
        };
        let url = match session.state {
            checkout_session::State::Open(url) => url,
            checkout_session::State::Paid => return Err(paid()),
            checkout_session::State::Over => {
                whose.end_purchase_page(purchase_id, &session.id).await?;
                continue;
            }
        };
        if whose
            .record_purchase_page(purchase_id, page.pages_over, &session.id)
            .await?
        {
            return Ok(Json(BegunPurchase { purchase_id, url }));
        }
        // Nobody else knows of it.
        CheckoutSession::close(&api, &session.id).await?;
    }
    Err(ApiError::Conflict {
        code: "checkout_replaced",
        message: "somebody in this tenant begins to buy the same from elsewhere",
        hint: "ask again",
    })
}

fn paid() -> ApiError {
    ApiError::Conflict {
        code: "checkout_paid",
        message: "this was just paid, or its payment is on its way; the purchase becomes active once the money has come",
        hint: "wait until it is so in the table purchases; a method that fails makes room for another page",
    }
}

/// <https://docs.stripe.com/api/checkout/sessions/create>
fn form(whose: &Whose, wanted: &WantedPurchase, offer: &Offer, customer: &str) -> Form {
    // Where what follows says what it is for: the subscription, or the payment with its charge.
    let follows = match offer.mode.as_str() {
        "subscription" => "subscription_data",
        _ => "payment_intent_data",
    };
    let price = "line_items[0][price_data]";
    let mut form = Form::new()
        .with("mode", &offer.mode)
        .with("customer", customer)
        .with("client_reference_id", whose.tenant_id)
        .with(format!("{price}[currency]"), &offer.currency)
        .with(format!("{price}[unit_amount]"), offer.amount)
        .with(format!("{price}[product_data][name]"), &offer.name)
        .with_some(
            format!("{price}[recurring][interval]"),
            offer.interval.as_deref(),
        )
        .with("line_items[0][quantity]", 1)
        .with("success_url", &wanted.success_url)
        .with("cancel_url", &wanted.cancel_url);
    for (name, id) in [
        ("tenant_id", whose.tenant_id),
        ("listing_id", wanted.listing_id),
        ("purchase_id", offer.purchase_id),
    ] {
        form = form
            .with(format!("metadata[{name}]"), id)
            .with(format!("{follows}[metadata][{name}]"), id);
    }
    form
}

impl Whose {
    async fn begin_purchase(&self, listing: Uuid) -> Result<Offer, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let begun = sqlx::query!(
            r#"select purchase_id, mode as "mode!", name as "name!", amount as "amount!", currency as "currency!", "interval"
                 from edge.begin_purchase($1, $2)"#,
            self.tenant_id,
            listing
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let Some(purchase_id) = begun.purchase_id else {
            return Err(ApiError::Conflict {
                code: "listing_is_paid_by_use",
                message: "this listing is paid by use, and bought without a page",
                hint: "accept its price: rpc accept_listing_price",
            });
        };
        Ok(Offer {
            purchase_id,
            mode: begun.mode,
            name: begun.name,
            amount: begun.amount,
            currency: begun.currency,
            interval: begun.interval,
        })
    }

    async fn purchase_page(&self, purchase: Uuid) -> Result<PurchasePage, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let row = sqlx::query!(
            r#"select customer, name as "name!", key as "key!", session, pages_over as "pages_over!" from edge.purchase_page($1, $2)"#,
            self.tenant_id,
            purchase
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(PurchasePage {
            payer: Payer::of(row.customer, row.name, row.key),
            session: row.session,
            pages_over: row.pages_over,
        })
    }

    /// False when it is paid elsewhere by now.
    async fn record_purchase_page(
        &self,
        purchase: Uuid,
        pages_over: i32,
        session: &str,
    ) -> Result<bool, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let is_recorded = sqlx::query_scalar!(
            r#"select edge.record_purchase_page($1, $2, $3, $4) as "is_recorded!""#,
            self.tenant_id,
            purchase,
            pages_over,
            session
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(is_recorded)
    }

    async fn end_purchase_page(&self, purchase: Uuid, session: &str) -> Result<(), ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        sqlx::query!(
            "select edge.end_purchase_page($1, $2, $3)",
            self.tenant_id,
            purchase,
            session
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }
}
