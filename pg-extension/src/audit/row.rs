//! A row as `jsonb`, as `to_jsonb(new)` makes it.

use std::ffi::CStr;
use std::ptr::null_mut;

use pgrx::pg_sys::{self, Datum, Oid};

use crate::fault::invalid;
use crate::jsonb::{self, Container};
use crate::session;

pub struct Row {
    datum: Datum,
    container: Container<'static>,
}

impl Row {
    /// # Safety
    /// The tuple is of the relation, which is open.
    pub unsafe fn read(relation: pg_sys::Relation, tuple: pg_sys::HeapTuple) -> Self {
        // SAFETY: to_jsonb learns the type of its argument from the expression that it is called in, so it is given one.
        let datum = unsafe {
            let description = (*relation).rd_att;
            let null_of_its_type = pg_sys::makeConst(
                (*description).tdtypeid,
                -1,
                Oid::INVALID,
                -1,
                Datum::null(),
                true,
                false,
            );
            let mut function = pg_sys::FmgrInfo::default();
            pg_sys::fmgr_info(pg_sys::F_TO_JSONB.into(), &mut function);
            function.fn_expr = pg_sys::makeFuncExpr(
                pg_sys::F_TO_JSONB.into(),
                pg_sys::JSONBOID,
                pg_sys::lappend(null_mut(), null_of_its_type.cast()),
                Oid::INVALID,
                Oid::INVALID,
                pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
            )
            .cast();
            let row = pg_sys::heap_copy_tuple_as_datum(tuple, description);
            pg_sys::FunctionCall1Coll(&mut function, Oid::INVALID, row)
        };
        // SAFETY: a jsonb, in the memory of this call.
        let bytes = unsafe { jsonb::content(datum) };
        let Some(container) = Container::read(bytes) else {
            invalid("a row has to be an object")
        };
        Row { datum, container }
    }

    pub fn fields(&self) -> Container<'static> {
        self.container
    }

    /// A field as text, `->>`.
    pub fn text(&self, name: &CStr) -> Option<Datum> {
        jsonb::member(self.datum, name)
    }
}

/// `text::uuid`
pub fn uuid(text: Datum) -> Datum {
    // SAFETY: the datum is a text, and ends in zero when Postgres has made a C string of it.
    session::uuid(unsafe { CStr::from_ptr(pg_sys::text_to_cstring(text.cast_mut_ptr())) })
}
