//! The fields of an object that another does not have, or has with another value.

use std::cmp::Ordering;

use pgrx::pg_sys::{self, Datum};

use crate::jsonb::{CONTAINER, Container, Field, NUMERIC};

pub fn changed<'a>(object: Container<'a>, other: Container<'_>) -> Vec<Field<'a>> {
    let mut others = other.fields().peekable();
    let mut found = Vec::new();
    for field in object.fields() {
        while others
            .next_if(|other| other.order() < field.order())
            .is_some()
        {}
        let same = others
            .next_if(|other| other.order() == field.order())
            .is_some_and(|other| is_same(&field, &other));
        if !same {
            found.push(field);
        }
    }
    found
}

/// As `=` on `jsonb`: 1.0 and 1.00 are one number, though stored otherwise.
fn is_same(one: &Field<'_>, other: &Field<'_>) -> bool {
    if one.kind != other.kind {
        return false;
    }
    if !matches!(one.kind, NUMERIC | CONTAINER) {
        return one.value.bytes == other.value.bytes;
    }
    let [one_value, other_value] = [one, other].map(|field| field.value.aligned());
    if one_value == other_value {
        return true;
    }
    // SAFETY: both are of their kind and as aligned as Postgres stores them.
    unsafe {
        if one.kind == NUMERIC {
            let arguments = [one_value, other_value].map(|value| Some(Datum::from(value.as_ptr())));
            return pgrx::direct_function_call(pg_sys::numeric_eq, &arguments).unwrap_or(false);
        }
        let [one, other] = [one_value, other_value].map(|value| value.as_ptr().cast_mut().cast());
        pg_sys::compareJsonbContainers(one, other) as i32 == Ordering::Equal as i32
    }
}
