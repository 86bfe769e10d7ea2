use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::page;
use crate::error::{ApiError, ErrorBody};
use crate::whose::Whose;

/// Nothing but what is in the page itself, and no script at all.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the tenant's open billing period comes to so far, before tax. Who may: members with `billing.read` or `billing.manage`. The RPC
/// `invoice_preview` answers the same.
///
/// `lines` are of kind `plan`, `overage` or `marketplace`. Amounts are whole minor units of `currency`, each line rounded once, halves away
/// from zero; `unit_amount` may be a part of one. Tax, discounts, credits and prorations are not in it: only Stripe knows them.
#[utoipa::path(
    get, path = "/v1/billing/preview", tag = "billing", operation_id = "previewInvoice",
    params(
        ("tenant_id" = Option<uuid::Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address."),
        ("Accept" = Option<String>, Header, description = "`text/html` for a page to read; JSON otherwise."),
    ),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The preview.", content(
            (Value = "application/json"),
            (String = "text/html"),
        )),
        (status = 400, description = "`tenant_required`: it is not said whose. `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you see what the tenant pays. `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
    )
)]
pub async fn preview_invoice(whose: Whose, headers: HeaderMap) -> Result<Response, ApiError> {
    let mut transaction = whose.session.begin().await?;
    let preview: Value = sqlx::query_scalar!(
        r#"select public.invoice_preview($1) as "preview!""#,
        whose.tenant_id
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let accept = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
    // What a tenant pays is not for caches, and depends on what was asked for.
    let kept = [
        (header::CACHE_CONTROL, "private, no-store"),
        (header::VARY, "Accept"),
    ];
    if !prefers_html(&accept.join(",")) {
        return Ok((kept, Json(preview)).into_response());
    }
    let page = page::render(&preview).map_err(|error| ApiError::Internal(error.into()))?;
    let as_page = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((kept, as_page, page).into_response())
}

/// Whether HTML is wanted more than JSON: <https://www.rfc-editor.org/rfc/rfc9110#name-accept>.
fn prefers_html(accept: &str) -> bool {
    let weight_of = |wanted: &str| {
        let kind = wanted.split('/').next().unwrap_or_default();
        // The more exact range counts, wherever it stands.
        [wanted.to_owned(), format!("{kind}/*"), "*/*".to_owned()]
            .iter()
            .find_map(|range| weight_in(accept, range))
            .unwrap_or(0.0)
    };
    weight_of("text/html") > weight_of("application/json")
}

fn weight_in(accept: &str, range: &str) -> Option<f32> {
    accept.split(',').find_map(|part| {
        let mut pieces = part.split(';').map(str::trim);
        if !pieces.next()?.eq_ignore_ascii_case(range) {
            return None;
        }
        let weight = pieces.find_map(|piece| piece.strip_prefix("q="));
        Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
    })
}

#[cfg(test)]
mod tests {
    use super::prefers_html;

    #[test]
    fn a_browser_wants_a_page_and_a_program_does_not() {
        for (accept, html) in [
            ("", false),
            ("*/*", false),
            ("application/json", false),
            ("text/html", true),
            ("text/*", true),
            ("TEXT/HTML;charset=utf-8", true),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("text/html;q=0.4, application/json;q=0.5", false),
            ("application/json;q=0, text/html;q=0.1", true),
            ("text/html;q=0, */*", false),
            ("text/html;q=x", false),
        ] {
            assert_eq!(prefers_html(accept), html, "{accept}");
        }
    }
}
