//! Permissions are bits in private.access; public.permissions says which.

use pgrx::pg_sys::{self, Datum};
use pgrx::prelude::*;

use super::table::{Table, snapshot};
use crate::fault::raise;

/// More columns than public.permissions has.
const MOST_COLUMNS: usize = 32;

/// The bit of a permission. `None`: there is no such permission.
///
/// # Safety
/// The key is a text.
pub unsafe fn bit(key: Datum) -> Option<u32> {
    let table = Table::open(c"public", c"permissions", c"permissions_pkey");
    // SAFETY: the scan's key is of the column's type, and a row is read before the scan ends.
    unsafe {
        let row_type = (*table.relation).rd_att;
        let table_id = (*table.relation).rd_id;
        let (key_column, bit_column) = (
            pg_sys::get_attnum(table_id, c"key".as_ptr()),
            pg_sys::get_attnum(table_id, c"bit".as_ptr()),
        );
        if pg_sys::get_atttype(table_id, key_column) != pg_sys::TEXTOID
            || pg_sys::get_atttype(table_id, bit_column) != pg_sys::INT2OID
            || (*row_type).natts as usize > MOST_COLUMNS
        {
            raise(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                "public.permissions is not the table that this version of the extension aias knows",
            );
        }
        let mut condition = table.condition(key_column, pg_sys::F_TEXTEQ, key);
        let scan = pg_sys::systable_beginscan(
            table.relation,
            (*table.index).rd_id,
            true,
            snapshot(),
            1,
            &mut condition,
        );
        let tuple = pg_sys::systable_getnext(scan);
        let bit = (!tuple.is_null()).then(|| {
            let mut values = [Datum::null(); MOST_COLUMNS];
            let mut nulls = [true; MOST_COLUMNS];
            pg_sys::heap_deform_tuple(tuple, row_type, values.as_mut_ptr(), nulls.as_mut_ptr());
            let column = bit_column as usize - 1;
            (!nulls[column]).then(|| values[column].value() as u32)
        });
        pg_sys::systable_endscan(scan);
        bit.flatten()
    }
}
