//! The trigger that writes an entry of the audit log for each changed row: what every write of a tenant's data pays.
//!
//! `change` is what Postgres tells a trigger, `row` a row as `jsonb`, `actor` and `request` who changed it and in which request, `inbox` where
//! the entry goes. In PL/pgSQL, as audit.record_change of migrations/20261125000500_audit.sql, the same takes several times as long: there each
//! expression is a call of the executor, and the entry a statement. The tables are the project's, and so is audit.told, which masks secrets.

use pgrx::datum::IntoDatum;
use pgrx::pg_sys::{self, Datum};

mod actor;
mod change;
mod inbox;
mod request;
mod row;

use actor::Actor;
use change::{Change, Operation};
use inbox::{Entry, Inbox};

use crate::change::{changed, secret_may_be_in};
use crate::door::{Answer, Call, NOTHING, function};
use crate::jsonb::{self, Field};
use crate::statement::{self, statement};

function!(
    aias_record_change,
    pg_finfo_aias_record_change,
    record_change
);

statement!(
    TENANT,
    [UUIDOID],
    c"select from public.tenants where id = $1"
);
statement!(TOLD, [JSONBOID], c"select audit.told($1)");

/// When a row was written is what its entry says, too.
const UPDATED_AT: &[u8] = b"updated_at";

fn record_change(call: Call) -> Answer {
    let change = Change::of(call);
    let inbox = Inbox::open();
    let row = change.row();
    let tenant = row.text(change.argument(0)).map(row::uuid);

    let (before, after) = match change.operation {
        Operation::Insert => (None, Some(written(row.fields().fields().collect()))),
        Operation::Update => {
            let old = change.old_row();
            let are = written(changed(row.fields(), old.fields()));
            if are.is_empty() {
                return Answer::Value(NOTHING);
            }
            let were = written(changed(old.fields(), row.fields()));
            (Some(were), Some(are))
        }
        Operation::Delete => {
            // What goes with its tenant is not written down: the log goes too.
            let has_tenant =
                statement::run_as(inbox.owner(), &TENANT, &[tenant], |rows| rows.count() > 0);
            if !has_tenant {
                return Answer::Value(NOTHING);
            }
            (Some(written(row.fields().fields().collect())), None)
        }
    };

    let actor = Actor::current();
    let subject = change.table();
    inbox.enter(&Entry {
        tenant,
        actor_kind: actor.kind.into_datum(),
        actor_id: actor.id,
        // A bytea is stored as a text is.
        action: [subject, change.operation.suffix()]
            .concat()
            .as_slice()
            .into_datum(),
        subject: subject.into_datum(),
        // One text for the key, whatever number of columns it has.
        subject_id: row.text(change.argument(1)),
        before: before.and_then(|fields| told(&inbox, &fields)),
        after: after.and_then(|fields| told(&inbox, &fields)),
        request_id: request::id(&inbox),
    });
    Answer::Value(NOTHING)
}

/// The fields that are written down.
fn written(mut fields: Vec<Field<'_>>) -> Vec<Field<'_>> {
    fields.retain(|field| field.key.bytes != UPDATED_AT);
    fields
}

/// Columns as the log keeps them: most as they are.
fn told(inbox: &Inbox, fields: &[Field<'_>]) -> Option<Datum> {
    let object = jsonb::object(fields);
    let datum = object.as_slice().into_datum();
    if !secret_may_be_in(&object) {
        return datum;
    }
    statement::run_as(inbox.owner(), &TOLD, &[datum], |rows| {
        // SAFETY: a jsonb is copied to where it outlives the statement.
        rows.get(0, 1)
            .map(|told| unsafe { pg_sys::SPI_datumTransfer(told, false, -1) })
    })
}
