//! The id that ties an answer to its lines in the log.

use std::future::Future;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// The client's own id when it is sane (1 to 128 visible characters of a plain alphabet), else a new one.
pub fn of(headers: &HeaderMap) -> HeaderValue {
    let is_sane = |id: &&HeaderValue| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(byte);
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(plain)
    };
    headers
        .get(HEADER)
        .filter(is_sane)
        .cloned()
        .unwrap_or_else(|| {
            let id = Uuid::now_v7().to_string();
            HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("none"))
        })
}

/// Runs `request` so that whatever it calls can ask for its id.
pub async fn scope<F: Future>(id: HeaderValue, request: F) -> F::Output {
    CURRENT.scope(id, request).await
}

/// The id of the request that is being served; None outside of one.
pub fn current() -> Option<HeaderValue> {
    CURRENT.try_with(HeaderValue::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_header(value: &'static str) -> String {
        let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_static(value))]);
        of(&headers).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_sane_id_is_kept() {
        assert_eq!(of_header("01J-abc_1.2:3"), "01J-abc_1.2:3");
    }

    #[test]
    fn anything_else_is_replaced() {
        for strange in ["", "a b", "<script>", "id\"; drop"] {
            assert_eq!(of_header(strange).len(), 36, "{strange:?}");
        }
    }
}
