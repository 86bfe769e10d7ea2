//! Who asks: what `private.principal()` and `private.has_second_factor()` say in SQL.
//!
//! PostgREST and edge-api put the claims of a token into `request.jwt.claims`, as JSON. Most are plain objects, of which serde reads three members
//! without making a tree of the rest. Whatever is not plain is left to Postgres, which decides then what it means or what is wrong with it.

use std::ffi::{CStr, CString};

use pgrx::datum::IntoDatum;
use pgrx::pg_sys::{self, Datum};
use serde::Deserialize;

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
        Self::plain(json.to_bytes()).unwrap_or_else(|| Self::by_postgres(json))
    }

    /// `None` where Postgres might mean something else: serde reads an array as a struct, and passes over escapes that `jsonb` refuses.
    fn plain(json: &[u8]) -> Option<Self> {
        let is_plain = json.trim_ascii_start().starts_with(b"{") && !json.contains(&b'\\');
        let plain: Plain = is_plain.then(|| serde_json::from_slice(json).ok())??;
        let owned = |text: Option<&str>| text.map(CString::new).transpose().ok();
        Some(Claims {
            api_key_id: owned(plain.api_key_id)?,
            sub: owned(plain.sub)?,
            has_second_factor: plain.aal == Some("aal2"),
        })
    }

    /// `request.jwt.claims::jsonb ->> '...'`, which raises 22P02 for what is no JSON.
    fn by_postgres(json: &CStr) -> Self {
        let text = |datum: Datum| {
            // SAFETY: the datum is a text, and ends in zero when Postgres has made a C string of it.
            unsafe { CStr::from_ptr(pg_sys::text_to_cstring(datum.cast_mut_ptr())).to_owned() }
        };
        // SAFETY: the functions are called with arguments of their types; the second answers null when there is no such member.
        let member = |claims: Option<Datum>, name: &str| unsafe {
            let arguments = [claims, name.into_datum()];
            pgrx::direct_function_call_as_datum(pg_sys::jsonb_object_field_text, &arguments)
        };
        // SAFETY: as above.
        let claims = unsafe {
            let arguments = [Some(Datum::from(json.as_ptr()))];
            pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &arguments)
        };
        Claims {
            api_key_id: member(claims, "api_key_id").map(text),
            sub: member(claims, "sub").map(text),
            has_second_factor: member(claims, "aal")
                .is_some_and(|aal| text(aal).as_c_str() == c"aal2"),
        }
    }
}

/// A setting of the session; an empty one is none, since a custom setting that was set in a transaction is empty after it. Until settings change.
fn setting<'a>(name: &CStr) -> Option<&'a CStr> {
    // SAFETY: Postgres keeps the text, which ends in zero, for as long as the setting has it, and nothing is set meanwhile.
    let value = unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value))
    };
    value.filter(|value| !value.is_empty())
}

/// `text::uuid`, which raises 22P02 for what is none.
fn uuid(text: &CStr) -> Datum {
    let arguments = [Some(Datum::from(text.as_ptr()))];
    // SAFETY: called with an argument of its type; it never answers null.
    unsafe {
        pgrx::direct_function_call_as_datum(pg_sys::uuid_in, &arguments).unwrap_or(Datum::null())
    }
}
