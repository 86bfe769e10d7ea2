//! The columns of `aias.quota_slots`, in the order in which `sql/src/quota_tables.sql` declares them.

use pgrx::pg_sys::{self, Datum};

use crate::quota::key::Key;
use crate::quota::slot::Slot;

const TENANT_ID: i16 = 1;
const USED: i16 = 2;
const ALLOWANCE: i16 = 3;
const ANCHOR: i16 = 4;
const PERIOD_END: i16 = 5;
const VALID_UNTIL: i16 = 6;
const SLOT_NUMBER: i16 = 7;
const METER: i16 = 8;
const COUNT: usize = 8;

/// The columns of the primary key, in its order, with the function that compares each.
pub fn conditions(key: &Key, number: Option<i16>) -> [(i16, u32, Datum); 3] {
    [
        (TENANT_ID, pg_sys::F_UUID_EQ, key.tenant_datum()),
        (METER, pg_sys::F_TEXTEQ, key.meter_datum()),
        (SLOT_NUMBER, pg_sys::F_INT2EQ, number.unwrap_or(0).into()),
    ]
}

pub struct Columns;

impl Columns {
    /// # Safety
    /// The tuple is of `aias.quota_slots`, whose row type is given, and stays where it is meanwhile.
    pub unsafe fn read(row_type: pg_sys::TupleDesc, tuple: pg_sys::HeapTuple) -> Slot {
        let mut values = [Datum::from(0usize); COUNT];
        let mut nulls = [false; COUNT];
        // SAFETY: the arrays have an element for each column.
        unsafe {
            pg_sys::heap_deform_tuple(tuple, row_type, values.as_mut_ptr(), nulls.as_mut_ptr());
        }
        let integer = |column: i16| values[column as usize - 1].value() as i64;
        let optional = |column: i16| (!nulls[column as usize - 1]).then(|| integer(column));
        Slot {
            number: integer(SLOT_NUMBER) as i16,
            used: integer(USED),
            allowance: optional(ALLOWANCE),
            anchor: optional(ANCHOR),
            period_end: integer(PERIOD_END),
            valid_until: integer(VALID_UNTIL),
        }
    }

    /// # Safety
    /// The row type is that of `aias.quota_slots`.
    pub unsafe fn form(row_type: pg_sys::TupleDesc, key: &Key, slot: &Slot) -> pg_sys::HeapTuple {
        let mut values = [Datum::from(0usize); COUNT];
        let mut nulls = [false; COUNT];
        let mut set = |column: i16, value: Option<Datum>| {
            nulls[column as usize - 1] = value.is_none();
            if let Some(value) = value {
                values[column as usize - 1] = value;
            }
        };
        set(TENANT_ID, Some(key.tenant_datum()));
        set(USED, Some(slot.used.into()));
        set(ALLOWANCE, slot.allowance.map(Datum::from));
        set(ANCHOR, slot.anchor.map(Datum::from));
        set(PERIOD_END, Some(slot.period_end.into()));
        set(VALID_UNTIL, Some(slot.valid_until.into()));
        set(SLOT_NUMBER, Some(slot.number.into()));
        set(METER, Some(key.meter_datum()));
        // SAFETY: each column has a value of its type, or is null where it may be.
        unsafe { pg_sys::heap_form_tuple(row_type, values.as_mut_ptr(), nulls.as_mut_ptr()) }
    }
}
