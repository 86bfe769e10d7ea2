//! What went wrong with a server, said so that it goes on from the server's name. Addresses are left out: their queries may hold keys.

use std::error::Error;

use reqwest::StatusCode;
use rmcp::ServiceError;
use rmcp::service::ClientInitializeError;
use rmcp::transport::streamable_http_client::HttpStatusError;

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

fn of_transport(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    loop {
        if let Some(http) = cause.downcast_ref::<reqwest::Error>()
            && let Some(status) = http.status()
        {
            return format!("answers {status}");
        }
        if let Some(http) = cause.downcast_ref::<HttpStatusError>() {
            let status = StatusCode::from_u16(http.status).map(|status| status.to_string());
            return format!("answers {}", status.unwrap_or_default());
        }
        match cause.source() {
            Some(deeper) => cause = deeper,
            None if cause.is::<reqwest::Error>() => return "cannot be reached".to_owned(),
            None => return format!("cannot be used: {cause}"),
        }
    }
}
