use axum::Json;

use super::row::SecretRow;
use crate::error::{ApiError, ErrorBody};
use crate::whose::Whose;

/// The tenant's secrets by name, without their values. Who may: members with `secrets.manage`. The table `tenant_secrets` has the same rows.
#[utoipa::path(
    get, path = "/v1/secrets", tag = "secrets", operation_id = "listSecrets",
    params(("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address.")),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "All of them, by name.", body = Vec<SecretRow>),
        (status = 400, description = "`tenant_required`: it is not said whose. `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage secrets. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
    )
)]
pub async fn list_secrets(whose: Whose) -> Result<Json<Vec<SecretRow>>, ApiError> {
    let mut transaction = whose.session.begin_as_service().await?;
    let secrets = sqlx::query_as!(
        SecretRow,
        r#"
        select s.tenant_id as "tenant_id!", s.name as "name!", s.last_four, s.created_by, s.created_at as "created_at!", s.updated_by,
               s.updated_at as "updated_at!"
          from edge.secrets($1) s
        "#,
        whose.tenant_id
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Json(secrets))
}
