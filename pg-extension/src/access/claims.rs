//! Who asks: what `private.principal()` and `private.has_second_factor()` say in SQL.
//!
//! PostgREST and edge-api put the claims of a token into `request.jwt.claims`, as JSON. Most are plain objects, of which serde reads three members
//! without making a tree of the rest. Whatever is not plain is left to Postgres, which decides then what it means or what is wrong with it.

use std::ffi::{CStr, CString};

use pgrx::pg_sys::{self, Datum};
use serde::Deserialize;

use crate::jsonb;
use crate::session::{plain_object, setting, uuid};

/// The session that calls.
pub struct Session {
    /// A `uuid`: of an API key, which edge-api puts into the claims and no Auth server does, or else of a user. `None` is nobody.
    pub principal: Option<Datum>,
    /// Whether it was signed in by two factors: <https://supabase.com/docs/guides/auth/auth-mfa>.
    pub has_second_factor: bool,
}

impl Session {
    pub fn current() -> Self {
        let claims = setting(c"request.jwt.claims").map_or_else(Claims::default, Claims::of);
        // The second is what PostgREST before 9 set, and what auth.uid() still reads first.
        let principal = claims
            .api_key_id
            .or_else(|| setting(c"request.jwt.claim.sub").map(CStr::to_owned))
            .or(claims.sub);
        Session {
            principal: principal.as_deref().map(uuid),
            has_second_factor: claims.has_second_factor,
        }
    }
}

#[derive(Default)]
struct Claims {
    api_key_id: Option<CString>,
    sub: Option<CString>,
    has_second_factor: bool,
}

/// Of plain claims, the members that count. Any other type than a string, and a member that comes twice, is an error.
#[derive(Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    api_key_id: Option<&'a str>,
    #[serde(borrow)]
    sub: Option<&'a str>,
    #[serde(borrow)]
    aal: Option<&'a str>,
}

impl Claims {
    fn of(json: &CStr) -> Self {
        Self::plain(json).unwrap_or_else(|| Self::by_postgres(json))
    }

    /// `None` where it is for Postgres to say what they mean.
    fn plain(json: &CStr) -> Option<Self> {
        let plain: Plain = serde_json::from_str(plain_object(json)?).ok()?;
        let owned = |text: Option<&str>| text.map(CString::new).transpose().ok();
        Some(Claims {
            api_key_id: owned(plain.api_key_id)?,
            sub: owned(plain.sub)?,
            has_second_factor: plain.aal == Some("aal2"),
        })
    }

    /// `request.jwt.claims::jsonb ->> '...'`
    fn by_postgres(json: &CStr) -> Self {
        let claims = jsonb::parse(json);
        let member = |name: &CStr| {
            // SAFETY: the datum is a text, and ends in zero when Postgres has made a C string of it.
            jsonb::member(claims, name).map(|text| unsafe {
                CStr::from_ptr(pg_sys::text_to_cstring(text.cast_mut_ptr())).to_owned()
            })
        };
        Claims {
            api_key_id: member(c"api_key_id"),
            sub: member(c"sub"),
            has_second_factor: member(c"aal").as_deref() == Some(c"aal2"),
        }
    }
}
