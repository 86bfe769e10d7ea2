//! Reads a `jsonb` argument without the detour through text.
//!
//! pgrx's own `JsonB` prints the value as text and parses that, and raises an error for what serde_json refuses: deep nesting, a number
//! that no `f64` holds. A workflow is checked on every write, and a hostile one must end as a list of problems. So the stored form is
//! decoded directly, in safe code ([`decode`]), and what cannot be represented is named instead of refused.

mod decode;
mod document;
mod encode;
mod numeric;
mod value;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use workflow::document::Document;

pub use decode::{CONTAINER, Child, Container, Decoded, Field, MAX_DEPTH, NUMERIC, STRING, decode};
pub use encode::object;
pub use numeric::most_characters;
pub use value::{content, has, member, parse};

/// A `jsonb` argument as it is stored, detoasted.
pub struct Jsonb<'a>(&'a [u8]);

impl<'a> Jsonb<'a> {
    /// From a detoasted datum without its length word.
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Jsonb(bytes)
    }

    /// The value as validation reads it; `None` when [`Jsonb::decode`] has something to say about it.
    pub fn document(&self) -> Option<Document<'_>> {
        document::document(self.0)
    }

    /// The value, and the JSON pointers of what it could not hold.
    pub fn decode(&self) -> Decoded {
        decode(self.0)
    }
}

// SAFETY: SQL declares the argument as jsonb, a varlena, which is what `&[u8]` detoasts and borrows.
unsafe impl<'fcx> ArgAbi<'fcx> for Jsonb<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: as for `&[u8]`, whose safety conditions are the same.
        Jsonb(unsafe { <&'fcx [u8]>::unbox_arg_unchecked(arg) })
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: as above.
        match unsafe { <&'fcx [u8]>::unbox_nullable_arg(arg) }.into_option() {
            Some(bytes) => Nullable::Valid(Jsonb(bytes)),
            None => Nullable::Null,
        }
    }
}

// SAFETY: the SQL type is the one whose datum the ArgAbi above expects.
unsafe impl SqlTranslatable for Jsonb<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Jsonb);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}
