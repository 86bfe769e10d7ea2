use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::api_key;
use crate::error::ApiError;

/// What a request brings to be believed, not yet checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credential<'a> {
    AccessToken(&'a str),
    ApiKey(&'a str),
}

impl<'a> Credential<'a> {
    /// RFC 6750, section 2.1: one header, the scheme in any case. Nowhere else: an address lands in logs and histories, and the header
    /// `apikey` carries a project's public key.
    pub(super) fn of(headers: &'a HeaderMap) -> Result<Self, ApiError> {
        let mut found = headers.get_all(AUTHORIZATION).iter();
        let header = found.next().ok_or(ApiError::MissingCredential)?;
        if found.next().is_some() {
            return Err(ApiError::InvalidToken("send one Authorization header"));
        }
        let header = header
            .to_str()
            .map_err(|_| ApiError::InvalidToken("the Authorization header is not text"))?;
        match header.split_once(' ') {
            Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => {
                match credential.trim() {
                    "" => Err(ApiError::MissingCredential),
                    key if key.starts_with(api_key::MARK) => Ok(Self::ApiKey(key)),
                    token => Ok(Self::AccessToken(token)),
                }
            }
            _ => Err(ApiError::MissingCredential),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn code_of(headers: &HeaderMap) -> Result<Credential<'_>, String> {
        Credential::of(headers).map_err(|error| error.body().code)
    }

    fn header(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))])
    }

    #[test]
    fn keys_and_tokens_are_told_apart_by_their_first_characters() {
        for (value, credential) in [
            ("Bearer ey.j.w", Credential::AccessToken("ey.j.w")),
            ("bearer  ey.j.w ", Credential::AccessToken("ey.j.w")),
            ("BEARER aias_x", Credential::ApiKey("aias_x")),
            ("Bearer AIAS_x", Credential::AccessToken("AIAS_x")),
        ] {
            assert_eq!(code_of(&header(value)), Ok(credential), "{value}");
        }
    }

    #[test]
    fn anything_else_is_no_credential() {
        for value in ["", "Bearer", "Bearer  ", "Basic aias_x", "aias_x"] {
            let headers = header(value);
            assert_eq!(
                code_of(&headers).unwrap_err(),
                "missing_credential",
                "{value}"
            );
        }
        let mut two = header("Bearer aias_x");
        two.append(AUTHORIZATION, HeaderValue::from_static("Bearer aias_x"));
        assert_eq!(code_of(&two).unwrap_err(), "invalid_token");
    }
}
