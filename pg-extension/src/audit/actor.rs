//! Who changed a row: a person, an API key, or the system, which has no token.

use std::ffi::{CStr, CString};

use pgrx::pg_sys::Datum;
use serde::Deserialize;

use super::row::uuid;
use crate::jsonb;
use crate::session;

pub struct Actor {
    pub kind: &'static str,
    /// A `uuid`.
    pub id: Option<Datum>,
}

/// Of claims without an API key, what counts. Another type than a string, and a member that comes twice, is an error.
#[derive(Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    sub: Option<&'a str>,
}

impl Actor {
    pub fn current() -> Self {
        session::setting(c"request.jwt.claims").map_or_else(Self::system, |claims| {
            Self::plain(claims).unwrap_or_else(|| Self::by_postgres(claims))
        })
    }

    fn system() -> Self {
        Actor {
            kind: "system",
            id: None,
        }
    }

    /// `None` where Postgres has to decide what the claims mean, or what is wrong with them.
    fn plain(claims: &CStr) -> Option<Self> {
        let json = session::plain_object(claims)?;
        if json.contains("api_key_id") {
            return None;
        }
        let plain: Plain<'_> = serde_json::from_str(json).ok()?;
        let sub = plain.sub.map(CString::new).transpose().ok()?;
        Some(sub.map_or_else(Self::system, |sub| Actor {
            kind: "user",
            id: Some(session::uuid(&sub)),
        }))
    }

    fn by_postgres(claims: &CStr) -> Self {
        let claims = jsonb::parse(claims);
        let api_key = jsonb::member(claims, c"api_key_id");
        let user = jsonb::member(claims, c"sub");
        Actor {
            kind: if jsonb::has(claims, c"api_key_id") {
                "api_key"
            } else if user.is_some() {
                "user"
            } else {
                "system"
            },
            id: api_key.or(user).map(uuid),
        }
    }
}
