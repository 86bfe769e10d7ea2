use axum::Json;

use super::provider::Provider;
use super::row::{KeyRow, ProviderRow};
use crate::error::{ApiError, ErrorBody};
use crate::whose::Whose;

/// The providers that the tenant can have keys of its own to, and to which it has one, without the keys. Who may: members with
/// `providers.manage`. The table `provider_keys` has the same of those that there are.
#[utoipa::path(
    get, path = "/v1/providers", tag = "providers", operation_id = "listProviders",
    params(("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address.")),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "All of them, by name.", body = Vec<ProviderRow>),
        (status = 400, description = "`tenant_required`: it is not said whose. `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage providers. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
    )
)]
pub async fn list_providers(whose: Whose) -> Result<Json<Vec<ProviderRow>>, ApiError> {
    let mut transaction = whose.session.begin_as_service().await?;
    let mut keys = sqlx::query_as!(
        KeyRow,
        r#"select k.provider as "provider!", k.last_four, k.set_by, k.set_at as "set_at!" from edge.provider_keys($1) k"#,
        whose.tenant_id
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let providers = Provider::ALL.into_iter().map(|provider| {
        let found = keys.iter().position(|key| key.provider == provider.name());
        ProviderRow::new(provider, found.map(|at| keys.swap_remove(at)))
    });
    Ok(Json(providers.collect()))
}
