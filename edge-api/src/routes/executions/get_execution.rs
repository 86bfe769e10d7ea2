use uuid::Uuid;

use super::row::{ExecutionRow, NO_SUCH_EXECUTION};
use super::schema::ExecutionSchema;
use crate::database::CallerSession;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;

/// An execution as it is now. Who may read it: members with `executions.read`.
#[utoipa::path(
    get, path = "/v1/executions/{id}", tag = "executions", operation_id = "getExecution",
    params(("id" = Uuid, Path, description = "The execution.")),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The execution's row.", body = ExecutionSchema),
        (status = 400, description = "`invalid_path`: the id is not a uuid.", body = ErrorBody),
        (status = 404, description = "`not_found`: it is not there, or you may not see it.", body = ErrorBody),
    )
)]
pub async fn get_execution(
    session: CallerSession,
    Path(id): Path<Uuid>,
) -> Result<ExecutionRow, ApiError> {
    let mut transaction = session.begin().await?;
    let execution = ExecutionRow::find(&mut transaction, id).await?;
    transaction.commit().await?;
    execution.ok_or(NO_SUCH_EXECUTION)
}
