use axum::response::Response;
use uuid::Uuid;

use super::row::ExecutionRow;
use super::schema::ExecutionSchema;
use crate::database::CallerSession;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;

/// Ends an execution. Who may: members with `executions.cancel`. One that a worker holds is ended by that worker a moment later.
#[utoipa::path(
    post, path = "/v1/executions/{id}/cancel", tag = "executions", operation_id = "cancelExecution",
    params(("id" = Uuid, Path, description = "The execution.")),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "It is cancelled.", body = ExecutionSchema,
         headers(("Location" = String, description = "Where to read it."))),
        (status = 202, description = "Its worker was told; follow its events. Its status is what it was, `queued` when nothing of it is recorded yet.", body = ExecutionSchema,
         headers(("Location" = String, description = "Where to read it."))),
        (status = 400, description = "`invalid_path`: the id is not a uuid.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you cancel. `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: it is not there, or you may not see it.", body = ErrorBody),
        (status = 409, description = "`execution_finished`: there is nothing left to cancel.", body = ErrorBody),
    )
)]
pub async fn cancel_execution(
    session: CallerSession,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let mut transaction = session.begin().await?;
    let execution = sqlx::query_as!(
        ExecutionRow,
        r#"
        select e.id as "id!", e.tenant_id as "tenant_id!", e.status as "status!", e.revision as "revision!", row_to_json(e)::text as "json!"
          from public.cancel_execution($1) e
        "#,
        id
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(execution.into_progress_response())
}
