use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::error::{ApiError, ErrorBody};
use crate::model_calls::ModelCalls;
use crate::whose::Whose;

/// The models that can be named: those with a known price whose provider can be called here, and the tenant's agents as `agent:<slug>`. Others of
/// these providers can be called as well; what they cost is not known. Who may: members with `models.call`.
#[utoipa::path(
    get, path = "/v1/models", tag = "models", operation_id = "listModels",
    params(("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address.")),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "OpenAI's list of models: `{object, data: [{id, object, created, owned_by}]}`.", body = Object),
        (status = 400, description = "`tenant_required`: it is not said whose. `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you call models. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
    )
)]
pub async fn list_models(
    whose: Whose,
    State(calls): State<ModelCalls>,
) -> Result<Json<Value>, ApiError> {
    let mut transaction = whose.session.begin_as_service().await?;
    let models = sqlx::query!(
        r#"select m.model as "model!", m.owner as "owner!", m.since as "since!" from edge.models($1) m"#,
        whose.tenant_id
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let callable: Vec<&str> = calls.provider_names().collect();
    let data: Vec<Value> = models
        .into_iter()
        .filter(|model| model.model.starts_with("agent:") || callable.contains(&&*model.owner))
        .map(|model| {
            json!({
                "id": model.model,
                "object": "model",
                "created": model.since.timestamp(),
                "owned_by": model.owner,
            })
        })
        .collect();
    Ok(Json(json!({"object": "list", "data": data})))
}
