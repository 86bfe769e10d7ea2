//! Answers that are one JSON document.

use reqwest::{Request, Response};
use serde::de::DeserializeOwned;

use super::{Endpoint, Http, failure, from_reqwest, read_some};
use crate::{ErrorKind, LlmError};

/// Longer answers are not read, whatever was asked for.
const MAX_DOCUMENT: usize = 128 * 1024 * 1024;

impl Http {
    /// Sends, and reads the answer as a `T`, which should know only the fields that it needs. An answer of more than `most`
    /// bytes is malformed.
    pub(crate) async fn fetch<T: DeserializeOwned>(
        &self,
        request: Request,
        endpoint: &Endpoint,
        most: usize,
    ) -> Result<T, LlmError> {
        let response = self.client.execute(request).await.map_err(from_reqwest)?;
        let status = response.status();
        let headers = response.headers().clone();
        if !status.is_success() {
            let body = read_some(response).await;
            return Err(endpoint.redact(failure::from_response(status.as_u16(), &headers, &body)));
        }
        let body = read_all(response, most.min(MAX_DOCUMENT)).await?;
        serde_json::from_slice(&body)
            .map_err(|error| endpoint.redact(failure::from_document(&headers, &body, &error)))
    }
}

async fn read_all(mut response: Response, most: usize) -> Result<Vec<u8>, LlmError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(from_reqwest)? {
        if body.len() + chunk.len() > most {
            return Err(LlmError::new(
                ErrorKind::MalformedResponse,
                format!("the provider's answer is longer than {} KiB", most >> 10),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_to_its_end() {
        let response = || Response::from(http::Response::new(vec![b' '; 4097]));
        assert_eq!(read_all(response(), 4097).await.unwrap().len(), 4097);
        let error = read_all(response(), 4096).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::MalformedResponse);
    }
}
