//! Writes objects in the stored form, of fields that are in it already: their bytes are copied as they are.

use super::decode::{
    CONTAINER, CONTAINER_IS_OBJECT, Child, ENTRY_HAS_OFFSET, ENTRY_OFFSET_OR_LENGTH, Field, NUMERIC,
};

/// So many entries share one that says where it ends; the others say how long they are. `JB_OFFSET_STRIDE` in Postgres's `jsonb.h`.
const STRIDE: usize = 32;

/// The content of a `jsonb` datum, without its length word. The fields are some of one object's, in its order.
pub fn object(fields: &[Field<'_>]) -> Vec<u8> {
    let mut entries = Vec::with_capacity(fields.len() * 2);
    let mut data = Vec::new();
    for field in fields {
        push(&mut entries, &mut data, field.key_kind, field.key);
    }
    for field in fields {
        push(&mut entries, &mut data, field.kind, field.value);
    }
    let header = fields.len() as u32 | CONTAINER_IS_OBJECT;
    let mut bytes = Vec::with_capacity(4 + entries.len() * 4 + data.len());
    bytes.extend_from_slice(&header.to_ne_bytes());
    for entry in entries {
        bytes.extend_from_slice(&u32::to_ne_bytes(entry));
    }
    bytes.extend_from_slice(&data);
    bytes
}

fn push(entries: &mut Vec<u32>, data: &mut Vec<u8>, kind: u32, child: Child<'_>) {
    let start = data.len();
    if matches!(kind, NUMERIC | CONTAINER) {
        data.resize(start.next_multiple_of(4), 0);
        data.extend_from_slice(child.aligned());
    } else {
        data.extend_from_slice(child.bytes);
    }
    let place = if entries.len().is_multiple_of(STRIDE) {
        data.len() as u32 | ENTRY_HAS_OFFSET
    } else {
        (data.len() - start) as u32 & ENTRY_OFFSET_OR_LENGTH
    };
    entries.push(kind | place);
}
