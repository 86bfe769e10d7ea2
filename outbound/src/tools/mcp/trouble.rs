//! What went wrong with a server, said so that it goes on from the server's name. Addresses are left out: their queries may hold keys.

use std::error::Error;

use reqwest::StatusCode;
use rmcp::ServiceError;
use rmcp::service::ClientInitializeError;
use rmcp::transport::streamable_http_client::StreamableHttpError;

pub(super) fn of_start(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => of_transport(error.error.as_ref()),
        ClientInitializeError::JsonRpcError(error) => format!("says: {}", error.message),
        _ => "does not speak the protocol".to_owned(),
    }
}

pub(super) fn of_call(error: &ServiceError) -> String {
    match error {
        ServiceError::McpError(error) => format!("says: {}", error.message),
        ServiceError::TransportSend(error) => of_transport(error.error.as_ref()),
        ServiceError::TransportClosed => "has closed the connection".to_owned(),
        _ => "does not speak the protocol".to_owned(),
    }
}

/// What the crate says of a transport, or of what lies beneath it, has the address in it.
fn of_transport(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(known) = error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            return of_http(known);
        }
        cause = error.source();
    }
    "cannot be reached".to_owned()
}

fn of_http(error: &StreamableHttpError<reqwest::Error>) -> String {
    let answers = |status: StatusCode| format!("answers {status}");
    match error {
        StreamableHttpError::HttpStatus(error) => match StatusCode::from_u16(error.status) {
            Ok(status) => answers(status),
            Err(_) => "does not speak the protocol".to_owned(),
        },
        StreamableHttpError::Client(error) => match error.status() {
            Some(status) => answers(status),
            None => "cannot be reached".to_owned(),
        },
        StreamableHttpError::UnexpectedServerResponse(what) => format!("answers: {what}"),
        StreamableHttpError::AuthRequired(_) | StreamableHttpError::InsufficientScope(_) => {
            "asks for other credentials".to_owned()
        }
        StreamableHttpError::ResponseBodyTooLarge { max_size } => {
            format!("answers more than {max_size} bytes")
        }
        StreamableHttpError::ReservedHeaderConflict(name) => {
            format!("is sent the header {name} by the protocol itself")
        }
        _ => "does not speak the protocol".to_owned(),
    }
}
