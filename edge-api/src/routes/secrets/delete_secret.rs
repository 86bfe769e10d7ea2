use axum::http::StatusCode;

use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::whose::Whose;

/// Ends a secret. Who may: members with `secrets.manage`. A step that uses it fails with `secret_not_found` from its next call on.
#[utoipa::path(
    delete, path = "/v1/secrets/{name}", tag = "secrets", operation_id = "deleteSecret",
    params(
        ("name" = String, Path, description = "The secret."),
        ("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address."),
    ),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 400, description = "`tenant_required`: it is not said whose. `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage secrets. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such secret, or no such tenant, or you are not in it.", body = ErrorBody),
    )
)]
pub async fn delete_secret(whose: Whose, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let mut transaction = whose.session.begin_as_service().await?;
    sqlx::query!("select edge.delete_secret($1, $2)", whose.tenant_id, name)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
