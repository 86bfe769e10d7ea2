//! Whether a row's tenant is among those that the caller may read, and what the planner is told of it.
//!
//! To the planner, `tenant_id = any (...)` is one condition and the reader's own `tenant_id = $1` another. It multiplies how few rows pass each,
//! expects a row where thousands are, and reads and sorts them all instead of the first fifty by an index. This function means the same, and
//! says in what way the two hang together: <https://www.postgresql.org/docs/current/xfunc-optimization.html>.

use std::ffi::c_int;
use std::ptr::null_mut;

use pgrx::pg_sys::{self, Datum, List, Node, NodeTag, Oid, PlannerInfo, Var};

use crate::door::{Answer, Call, NOTHING, function};

function!(
    aias_among_support,
    pg_finfo_aias_among_support,
    among_support
);

const UUID: usize = 16;
/// `=` of `uuid`, in `pg_operator.dat`.
const UUID_EQUALS: u32 = 2972;

#[doc(hidden)]
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_aias_among() -> &'static pg_sys::Pg_finfo_record {
    const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &V1
}

/// Not by `function!`: it is asked for every row, nothing in it panics, and it holds nothing that an error would have to drop.
#[doc(hidden)]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn aias_among(fcinfo: pg_sys::FunctionCallInfo) -> Datum {
    unsafe extern "C-unwind" {
        fn pg_detoast_datum(datum: *mut pg_sys::varlena) -> *mut pg_sys::varlena;
    }
    // SAFETY: SQL declares it as strict, with a uuid and a uuid[].
    unsafe {
        let arguments = (*fcinfo).args.as_ptr();
        let tenant = (*arguments).value.cast_mut_ptr::<[u8; UUID]>().read();
        let array: *mut pg_sys::ArrayType =
            pg_detoast_datum((*arguments.add(1)).value.cast_mut_ptr()).cast();
        Datum::from(elements(array).contains(&tenant))
    }
}

/// Of an array of uuid, which are a run of bytes: a null takes no place among them.
unsafe fn elements<'a>(array: *mut pg_sys::ArrayType) -> &'a [[u8; UUID]] {
    // SAFETY: the header is followed by a length and a lower bound for each dimension, and then, at a multiple of eight, by the elements.
    unsafe {
        let dimensions = usize::try_from((*array).ndim).unwrap_or(0);
        if dimensions == 0 {
            return &[];
        }
        let sizes = array.add(1).cast::<c_int>();
        let count = (0..dimensions).map(|at| *sizes.add(at) as usize).product();
        let (start, count) = if (*array).dataoffset == 0 {
            let header = size_of::<pg_sys::ArrayType>() + dimensions * 2 * size_of::<c_int>();
            (header.next_multiple_of(8), count)
        } else {
            (
                (*array).dataoffset as usize,
                not_null(sizes.add(2 * dimensions).cast(), count),
            )
        };
        std::slice::from_raw_parts(array.cast::<u8>().add(start).cast(), count)
    }
}

/// How many elements are no nulls: each is a bit that is set.
unsafe fn not_null(bitmap: *const u8, count: usize) -> usize {
    // SAFETY: the bitmap has a bit for each element.
    let is_there = |at: &usize| unsafe { *bitmap.add(at / 8) >> (at % 8) & 1 == 1 };
    (0..count).filter(is_there).count()
}

fn among_support(call: Call) -> Answer {
    let request: *mut Node = call.required(0, "the request").cast_mut_ptr();
    // SAFETY: the planner's requests begin with a tag that says which one it is.
    unsafe {
        match (*request).type_ {
            NodeTag::T_SupportRequestSelectivity => selectivity(request.cast()),
            NodeTag::T_SupportRequestIndexCondition => index_condition(request.cast()),
            _ => Answer::Value(NOTHING),
        }
    }
}

/// Beside an equality on the same column nobody loses a row who may read any. Otherwise as much as for `= any`.
unsafe fn selectivity(request: *mut pg_sys::SupportRequestSelectivity) -> Answer {
    // SAFETY: what the planner hands over is sound while the request lasts.
    unsafe {
        if (*request).is_join {
            return Answer::Value(NOTHING);
        }
        let [tenant, tenants] = arguments((*request).args);
        let root = (*request).root;
        (*request).selectivity = if equals_something(root, tenant) {
            1.0
        } else {
            pg_sys::scalararraysel(
                root,
                equals_any(tenant, tenants),
                false,
                (*request).varRelid,
                (*request).jointype,
                (*request).sjinfo,
            )
        };
    }
    Answer::Value(Datum::from(request))
}

/// By an index whose first column it is: `= any`. Not behind an equality on the same column, where the index has nothing left to find.
unsafe fn index_condition(request: *mut pg_sys::SupportRequestIndexCondition) -> Answer {
    // SAFETY: as above.
    unsafe {
        let clause = (*request).node.cast::<pg_sys::FuncExpr>();
        let index = (*request).index;
        // Of an index by another column first, rows would come in another order than the planner of Postgres 16 thinks.
        let is_usable = (*clause).xpr.type_ == NodeTag::T_FuncExpr
            && (*request).indexarg == 0
            && (*request).indexcol == 0
            && (*index).amsearcharray
            && pg_sys::op_in_opfamily(UUID_EQUALS.into(), (*request).opfamily);
        if !is_usable {
            return Answer::Value(NOTHING);
        }
        let [tenant, tenants] = arguments((*clause).args);
        if equals_something((*request).root, tenant) || pg_sys::contain_volatile_functions(tenants)
        {
            return Answer::Value(NOTHING);
        }
        (*request).lossy = false;
        let condition = equals_any(tenant, tenants);
        Answer::Value(Datum::from(pg_sys::lappend(null_mut(), condition.cast())))
    }
}

unsafe fn arguments(list: *mut List) -> [*mut Node; 2] {
    // SAFETY: the function has two arguments, and so has every call of it.
    [0, 1].map(|at| unsafe { (*(*list).elements.add(at)).ptr_value.cast() })
}

/// `tenant = any (tenants)`
unsafe fn equals_any(tenant: *mut Node, tenants: *mut Node) -> *mut pg_sys::ScalarArrayOpExpr {
    // SAFETY: a node is memory that is zero but for its tag.
    unsafe {
        let node: *mut pg_sys::ScalarArrayOpExpr =
            pg_sys::palloc0(size_of::<pg_sys::ScalarArrayOpExpr>()).cast();
        (*node).xpr.type_ = NodeTag::T_ScalarArrayOpExpr;
        (*node).opno = UUID_EQUALS.into();
        (*node).opfuncid = pg_sys::F_UUID_EQ.into();
        (*node).useOr = true;
        (*node).location = -1;
        (*node).args = pg_sys::lappend(pg_sys::lappend(null_mut(), tenant.cast()), tenants.cast());
        node
    }
}

/// Whether the query says of a column that it equals something that is the same for all of its table's rows.
unsafe fn equals_something(root: *mut PlannerInfo, column: *mut Node) -> bool {
    // SAFETY: as above. The relation of a column is in the array, but for one of an outer query, which is left alone.
    unsafe {
        let variable: *mut Var = column.cast();
        if root.is_null() || (*column).type_ != NodeTag::T_Var || (*variable).varlevelsup != 0 {
            return false;
        }
        let number = (*variable).varno as c_int;
        if number <= 0 || number >= (*root).simple_rel_array_size {
            return false;
        }
        let relation = *(*root).simple_rel_array.add(number as usize);
        if relation.is_null() {
            return false;
        }
        let conditions = (*relation).baserestrictinfo;
        let count = if conditions.is_null() {
            0
        } else {
            (*conditions).length as usize
        };
        (0..count).any(|at| {
            let condition: *mut pg_sys::RestrictInfo =
                (*(*conditions).elements.add(at)).ptr_value.cast();
            let operation = (*condition).clause.cast::<pg_sys::OpExpr>();
            if (*operation).xpr.type_ != NodeTag::T_OpExpr
                || (*operation).opno != Oid::from(UUID_EQUALS)
            {
                return false;
            }
            let [left, right] = arguments((*operation).args);
            let is_column = |side: *mut Node| pg_sys::equal(side.cast(), column.cast());
            // The other side is of no table.
            is_column(left) && (*condition).right_relids.is_null()
                || is_column(right) && (*condition).left_relids.is_null()
        })
    }
}
