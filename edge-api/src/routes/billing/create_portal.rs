use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::redirect::Redirect;
use crate::error::{ApiError, ErrorBody};
use crate::extract;
use crate::stripe::{Form, IdempotencyKey, ReturnUrls, StripeApi, StripeError};
use crate::whose::Whose;

/// Where to come back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Portal {
    return_url: String,
}

/// Opens Stripe's customer portal, where cards are changed, invoices paid and receipts found. Who may: members with `billing.manage`, also of a
/// tenant that is suspended because it has not paid.
#[utoipa::path(
    post, path = "/v1/billing/portal", tag = "billing", operation_id = "createPortal",
    params(("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address.")),
    request_body = Portal,
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The portal, for some minutes.", body = Redirect),
        (status = 400, description = "`return_url_not_allowed`: its origin is none of those that the operator lists. `tenant_required`: it is not said whose. `invalid_json`, `invalid_body`, `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage billing. `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
        (status = 409, description = "`no_customer`: this tenant has bought nothing yet.", body = ErrorBody),
        (status = 413, description = "`body_too_large`.", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`: the body is not JSON.", body = ErrorBody),
        (status = 502, description = "`stripe_refused`: the operator's log says why.", body = ErrorBody),
        (status = 503, description = "`billing_not_configured`: the operator has given this service no key to Stripe. `stripe_unavailable`, `overloaded`, `unavailable`: try again after Retry-After seconds.", body = ErrorBody),
    )
)]
pub async fn create_portal(
    whose: Whose,
    State(api): State<Option<StripeApi>>,
    State(return_urls): State<ReturnUrls>,
    extract::Json(wanted): extract::Json<Portal>,
) -> Result<Json<Redirect>, ApiError> {
    let customer = whose.billing_customer().await?;
    return_urls.check("return_url", &wanted.return_url)?;
    let api = api.ok_or(ApiError::BillingNotConfigured)?;
    let form = Form::new()
        .with("customer", customer)
        .with("return_url", wanted.return_url);
    // Each has its own: a portal's address is good once, and nothing is bought by opening it.
    let opened = api
        .post("billing_portal/sessions", &form, &IdempotencyKey::fresh())
        .await?;
    let url = opened["url"].as_str().map(str::to_owned);
    let url =
        url.ok_or_else(|| StripeError::Unreadable("a portal without an address".to_owned()))?;
    Ok(Json(Redirect { url }))
}

impl Whose {
    async fn billing_customer(&self) -> Result<String, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let customer = sqlx::query_scalar!(
            r#"select edge.billing_customer($1) as "customer!""#,
            self.tenant_id
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(customer)
    }
}
