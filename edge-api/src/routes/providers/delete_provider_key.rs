use axum::http::StatusCode;

use super::provider::Provider;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::whose::Whose;

/// Ends the tenant's own key to a provider: calls are made with the platform's from the next on. Who may: members with `providers.manage`.
#[utoipa::path(
    delete, path = "/v1/providers/{provider}", tag = "providers", operation_id = "deleteProviderKey",
    params(
        ("provider" = String, Path, description = "`anthropic`, `gemini` or `openai`."),
        ("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address."),
    ),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 400, description = "`tenant_required`: it is not said whose. `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage providers. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`no_such_provider`. `not_found`: the tenant has no key of its own to it, or there is no such tenant, or you are not in it.", body = ErrorBody),
    )
)]
pub async fn delete_provider_key(
    whose: Whose,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let provider = Provider::named(&name)?;
    let mut transaction = whose.session.begin_as_service().await?;
    sqlx::query!(
        "select edge.delete_provider_key($1, $2)",
        whose.tenant_id,
        provider.name()
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
