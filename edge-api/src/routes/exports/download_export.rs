use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use uuid::Uuid;

use super::chunks::Chunks;
use crate::database::CallerSession;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::streams::Streams;

/// Downloads an export: one JSON object a line, of all of a tenant's data as it was at one moment. Who may: those with `tenant.export`,
/// asked again while it goes on.
///
/// It is made by the RPC `export_tenant`. A download that ends early was cut off, and HTTP says so: the last chunk is missing. Begin
/// again then.
#[utoipa::path(
    get, path = "/v1/exports/{id}", tag = "tenants", operation_id = "downloadExport",
    params(("id" = Uuid, Path, description = "The export.")),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The lines, as a file to keep.", body = String, content_type = "application/x-ndjson",
         headers(("Content-Disposition" = String, description = "A name for the file."))),
        (status = 400, description = "`invalid_path`: the id is not a uuid.", body = ErrorBody),
        (status = 404, description = "`not_found`: it is not there, or you may not see it.", body = ErrorBody),
        (status = 409, description = "`export_not_ready`: it is still being made, or could not be.", body = ErrorBody),
        (status = 410, description = "`export_expired`: it was kept for a while and is gone; make another.", body = ErrorBody),
        (status = 429, description = "`too_many_streams`: you have too many open.", body = ErrorBody),
    )
)]
pub async fn download_export(
    session: CallerSession,
    State(streams): State<Streams>,
    Path(id): Path<Uuid>,
) -> Result<impl IntoResponse, ApiError> {
    let chunks = Chunks::open(session, streams, id).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"export-{id}.ndjson\""),
        ),
    ];
    Ok((headers, Body::from_stream(chunks.into_stream())))
}
