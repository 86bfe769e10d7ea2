//! Exact quotas. See `take` for how, and README.md for a picture.

mod clock;
mod functions;
mod gate;
mod give;
mod hold;
mod key;
mod limits;
mod overdraw;
mod period;
mod refusal;
mod reservations;
mod session;
mod slot;
mod spread;
mod subtransaction;
mod table;
mod take;
mod waiting;

use key::Key;

use crate::fault::invalid;

fn unknown(key: &Key) -> ! {
    invalid(format!(
        "tenant {} has no quota for the meter {:?}; aias.quota_set makes one",
        key.tenant(),
        key.meter()
    ))
}
