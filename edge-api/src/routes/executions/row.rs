use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::database::CallerTransaction;
use crate::error::ApiError;

/// An execution as the caller may see it.
///
/// The JSON is the database's own, column for column what PostgREST answers, and goes through unread: a frontend uses one type for both
/// doors, and large outputs are not parsed to be printed again.
pub struct ExecutionRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub status: String,
    pub revision: i64,
    pub json: String,
}

impl ExecutionRow {
    /// None when it is not there or not visible; which of the two is nobody's business.
    pub async fn find(
        transaction: &mut CallerTransaction,
        id: Uuid,
    ) -> Result<Option<Self>, ApiError> {
        let row = sqlx::query_as!(
            Self,
            r#"
            select e.id, e.tenant_id, e.status, e.revision, row_to_json(e)::text as "json!"
              from public.executions e
             where e.id = $1
            "#,
            id
        );
        Ok(row.fetch_optional(&mut **transaction).await?)
    }

    pub fn is_finished(&self) -> bool {
        matches!(self.status.as_str(), "succeeded" | "failed" | "cancelled")
    }

    /// 200 when it is over, 202 while it is still to come.
    pub fn into_progress_response(self) -> Response {
        let status = if self.is_finished() {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        };
        let location = HeaderValue::try_from(format!("/v1/executions/{}", self.id))
            .map_err(ApiError::internal);
        match location {
            Ok(location) => (status, [(header::LOCATION, location)], self).into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl IntoResponse for ExecutionRow {
    fn into_response(self) -> Response {
        (
            [(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )],
            self.json,
        )
            .into_response()
    }
}

pub const NO_SUCH_EXECUTION: ApiError = ApiError::NotFound("there is no such execution");
