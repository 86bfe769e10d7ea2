//! The id of the request that a row was changed in: what private.request_id() says, which is asked where the headers are not plain.

use pgrx::datum::IntoDatum;
use pgrx::pg_sys::{self, Datum};
use serde::Deserialize;

use super::inbox::Inbox;
use crate::session;
use crate::statement::{self, statement};

statement!(REQUEST_ID, [], c"select private.request_id()");

const LONGEST: usize = 128;

/// A header that is no string or comes twice is an error.
#[derive(Deserialize)]
struct Plain<'a> {
    #[serde(borrow, rename = "x-request-id")]
    request_id: Option<&'a str>,
}

/// A `text`.
pub fn id(inbox: &Inbox) -> Option<Datum> {
    let headers = session::setting(c"request.headers")?;
    let plain = session::plain_object(headers)
        .and_then(|json| serde_json::from_str::<Plain<'_>>(json).ok())
        .filter(|plain| plain.request_id.is_none_or(is_as_it_is_kept));
    match plain {
        Some(plain) => plain.request_id.into_datum(),
        None => statement::run_as(inbox.owner(), &REQUEST_ID, &[], |rows| {
            // SAFETY: a text is copied to where it outlives the statement.
            rows.get(0, 1)
                .map(|id| unsafe { pg_sys::SPI_datumTransfer(id, false, -1) })
        }),
    }
}

fn is_as_it_is_kept(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(&byte))
}
