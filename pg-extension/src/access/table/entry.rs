//! What the indexes of private.access hold.

use std::ffi::CStr;

use pgrx::pg_sys::{self, Oid};

/// The indexes that begin with the principal.
#[derive(Clone, Copy)]
pub enum Index {
    /// Of all rows.
    Principal,
    /// Of those in which a second factor allows more.
    Asking,
}

/// The columns of the first; the second has as many of them as it needs.
const COLUMNS: [(&CStr, Oid); 5] = [
    (c"principal", pg_sys::UUIDOID),
    (c"tenant_id", pg_sys::UUIDOID),
    (c"granted", pg_sys::INT8OID),
    (c"granted_with_second_factor", pg_sys::INT8OID),
    (c"ends_at", pg_sys::TIMESTAMPTZOID),
];
/// Where they are in an entry: all are of fixed size, and none is ever null.
const TENANT: usize = 16;
const GRANTED: usize = 32;
const GRANTED_WITH_SECOND_FACTOR: usize = 40;
const ENDS_AT: usize = 48;

impl Index {
    pub fn name(self) -> &'static CStr {
        match self {
            Index::Principal => c"access_principal",
            Index::Asking => c"access_asking",
        }
    }

    fn columns(self) -> &'static [(&'static CStr, Oid)] {
        match self {
            Index::Principal => &COLUMNS,
            Index::Asking => &COLUMNS[..2],
        }
    }

    /// # Safety
    /// The index is open.
    pub unsafe fn has_its_columns(self, index: pg_sys::Relation) -> bool {
        let columns = self.columns();
        // SAFETY: of a column that there is not, the name is null.
        unsafe {
            (*(*index).rd_att).natts as usize == columns.len()
                && (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID
                && (1i16..).zip(columns).all(|(number, (name, type_id))| {
                    let found = pg_sys::get_attname((*index).rd_id, number, true);
                    !found.is_null()
                        && CStr::from_ptr(found) == *name
                        && pg_sys::get_atttype((*index).rd_id, number) == *type_id
                })
        }
    }
}

/// An entry of one of them, for as long as the scan stands on it.
#[derive(Clone, Copy)]
pub struct Entry(*const u8);

impl Entry {
    /// `None` when there is a null in it, of which there is none.
    ///
    /// # Safety
    /// The tuple is of an index that has its columns. The entry is not used after the scan has moved on.
    pub unsafe fn of(tuple: pg_sys::IndexTuple) -> Option<Self> {
        // SAFETY: the columns begin after the header, unless some are null.
        unsafe {
            let has_nulls = u32::from((*tuple).t_info) & pg_sys::INDEX_NULL_MASK != 0;
            (!has_nulls).then(|| Entry(tuple.add(1).cast()))
        }
    }

    pub fn tenant(self) -> [u8; 16] {
        self.at(TENANT)
    }

    /// In force with one factor.
    pub fn granted(self) -> i64 {
        i64::from_ne_bytes(self.at(GRANTED))
    }

    /// In force with two.
    pub fn granted_with_second_factor(self) -> i64 {
        i64::from_ne_bytes(self.at(GRANTED_WITH_SECOND_FACTOR))
    }

    /// Microseconds since 2000.
    pub fn ends_at(self) -> i64 {
        i64::from_ne_bytes(self.at(ENDS_AT))
    }

    fn at<const SIZE: usize>(self, offset: usize) -> [u8; SIZE] {
        // SAFETY: `of` demands such a tuple. Only an index with all the columns is asked for more than the tenant.
        unsafe { self.0.add(offset).cast::<[u8; SIZE]>().read() }
    }
}
