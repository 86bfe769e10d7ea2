//! The stored form of `jsonb`, as described in Postgres's `src/include/utils/jsonb.h`.
//!
//! A container is a header (count and kind), one entry word per child (for an object first all keys, then all values), and the
//! children's bytes. An entry word gives its child's type and either its length or, every so often, its end offset. The form is the same
//! in all supported versions: a newer server must read what an older one has stored.

use serde_json::{Map, Value};

use super::numeric;

/// A decoded value.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The value. Containers nested deeper than [`MAX_DEPTH`] are empty, and numbers outside of `f64` are null.
    pub value: Value,
    /// JSON pointers to the numbers that are outside of `f64`.
    pub numbers_out_of_range: Vec<String>,
}

impl Decoded {
    /// JSON's null.
    pub fn null() -> Self {
        Decoded {
            value: Value::Null,
            numbers_out_of_range: Vec::new(),
        }
    }
}

/// How deep containers are followed: far deeper than a workflow may be, so that its own limit speaks first, and shallow enough for any stack.
pub const MAX_DEPTH: usize = 128;

const COUNT_MASK: u32 = 0x0FFF_FFFF;
const CONTAINER_IS_SCALAR: u32 = 0x1000_0000;
pub(super) const CONTAINER_IS_OBJECT: u32 = 0x2000_0000;

pub(super) const ENTRY_OFFSET_OR_LENGTH: u32 = 0x0FFF_FFFF;
pub(super) const ENTRY_HAS_OFFSET: u32 = 0x8000_0000;
const ENTRY_TYPE: u32 = 0x7000_0000;
pub const STRING: u32 = 0x0000_0000;
pub const NUMERIC: u32 = 0x1000_0000;
pub(super) const FALSE: u32 = 0x2000_0000;
pub(super) const TRUE: u32 = 0x3000_0000;
pub const CONTAINER: u32 = 0x5000_0000;

/// Decodes the content of a `jsonb` datum, that is, the datum without its length word.
///
/// Total: bytes that are not `jsonb` give nulls, not a panic, though Postgres hands out no such bytes.
pub fn decode(bytes: &[u8]) -> Decoded {
    let mut decoder = Decoder {
        path: Vec::new(),
        out_of_range: Vec::new(),
    };
    let value = decoder.container(bytes, true);
    Decoded {
        value,
        numbers_out_of_range: decoder.out_of_range,
    }
}

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

struct Decoder {
    path: Vec<Step>,
    out_of_range: Vec<String>,
}

impl Decoder {
    fn container(&mut self, bytes: &[u8], is_root: bool) -> Value {
        let Some(container) = Container::read(bytes) else {
            return Value::Null;
        };
        if container.is_object() {
            return self.object(container);
        }
        let mut children = container.items();
        if is_root && container.is_scalar() {
            return match children.next() {
                Some((kind, child)) => self.value(kind, child),
                None => Value::Null,
            };
        }
        if self.path.len() >= MAX_DEPTH {
            return Value::Array(Vec::new());
        }
        let mut array = Vec::with_capacity(children.remaining());
        for (index, (kind, child)) in children.enumerate() {
            if is_leaf(kind) {
                array.push(leaf(kind, child));
                continue;
            }
            self.path.push(Step::Index(index));
            let value = self.value(kind, child);
            self.path.pop();
            array.push(value);
        }
        Value::Array(array)
    }

    fn object(&mut self, container: Container<'_>) -> Value {
        if self.path.len() >= MAX_DEPTH {
            return Value::Object(Map::new());
        }
        let mut object = Map::new();
        for Field {
            key, kind, value, ..
        } in container.fields()
        {
            let name = text(key);
            if is_leaf(kind) {
                object.insert(name, leaf(kind, value));
                continue;
            }
            self.path.push(Step::Key(name));
            let value = self.value(kind, value);
            let Some(Step::Key(name)) = self.path.pop() else {
                return Value::Null;
            };
            object.insert(name, value);
        }
        Value::Object(object)
    }

    fn value(&mut self, kind: u32, child: Child<'_>) -> Value {
        match kind {
            NUMERIC => match numeric::read(child.aligned()) {
                Some(number) => Value::Number(number),
                None => {
                    self.out_of_range.push(self.pointer());
                    Value::Null
                }
            },
            CONTAINER => self.container(child.aligned(), false),
            _ => leaf(kind, child),
        }
    }

    /// RFC 6901.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }
}

/// What has neither children nor a way to fail needs no path.
fn is_leaf(kind: u32) -> bool {
    !matches!(kind, NUMERIC | CONTAINER)
}

fn leaf(kind: u32, child: Child<'_>) -> Value {
    match kind {
        STRING => Value::String(text(child)),
        TRUE => Value::Bool(true),
        FALSE => Value::Bool(false),
        _ => Value::Null,
    }
}

fn text(child: Child<'_>) -> String {
    match std::str::from_utf8(child.bytes) {
        Ok(text) => text.to_owned(),
        // Of a database in another encoding; much slower to go through.
        Err(_) => String::from_utf8_lossy(child.bytes).into_owned(),
    }
}

/// A container: its header, and all that follows.
#[derive(Clone, Copy)]
pub struct Container<'a> {
    header: u32,
    bytes: &'a [u8],
}

impl<'a> Container<'a> {
    pub fn read(bytes: &'a [u8]) -> Option<Container<'a>> {
        let header = word(bytes, 0)?;
        Some(Container { header, bytes })
    }

    pub fn is_object(self) -> bool {
        self.header & CONTAINER_IS_OBJECT != 0
    }

    /// Whether it is an array only because a scalar has to be in one.
    pub(super) fn is_scalar(self) -> bool {
        self.header & CONTAINER_IS_SCALAR != 0
    }

    /// Of an array.
    pub fn items(self) -> Children<'a> {
        let count = self.count();
        Children::new(self.bytes, count, count)
    }

    /// Of an object, in the order of [`Field::order`].
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let count = self.count();
        let keys = Children::new(self.bytes, count * 2, count);
        // The values begin where the last key ends, so the keys are walked once only to get there.
        let mut values = keys.clone();
        values.by_ref().for_each(drop);
        keys.zip(values.go_on(count))
            .map(|((key_kind, key), (kind, value))| Field {
                key_kind,
                key,
                kind,
                value,
            })
    }

    fn count(self) -> usize {
        (self.header & COUNT_MASK) as usize
    }
}

/// A key and its value.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Always [`STRING`].
    pub key_kind: u32,
    pub key: Child<'a>,
    pub kind: u32,
    pub value: Child<'a>,
}

impl Field<'_> {
    /// By its key, as the fields of an object are stored: short ones first.
    pub fn order(&self) -> (usize, &[u8]) {
        (self.key.bytes.len(), self.key.bytes)
    }
}

/// The bytes of one child, and how far they are from an address that is a multiple of four.
#[derive(Clone, Copy)]
pub struct Child<'a> {
    pub bytes: &'a [u8],
    offset: usize,
}

impl<'a> Child<'a> {
    /// Numbers and containers are aligned; the padding is counted as theirs.
    pub fn aligned(self) -> &'a [u8] {
        let padding = self.offset.wrapping_neg() % 4;
        self.bytes.get(padding..).unwrap_or_default()
    }
}

/// The children of a container, in order.
#[derive(Clone)]
pub struct Children<'a> {
    entries: &'a [u8],
    data: &'a [u8],
    next: usize,
    end: usize,
    offset: usize,
}

impl<'a> Children<'a> {
    /// The first `wanted` of `total` children of the container that starts at `bytes`.
    fn new(bytes: &'a [u8], total: usize, wanted: usize) -> Self {
        let body = bytes.get(4..).unwrap_or_default();
        let entries_end = total.saturating_mul(4).min(body.len());
        let (entries, data) = body.split_at(entries_end);
        Children {
            entries,
            data,
            next: 0,
            end: wanted,
            offset: 0,
        }
    }

    /// The next `wanted` children.
    fn go_on(mut self, wanted: usize) -> Self {
        self.end += wanted;
        self
    }

    /// How many more there can be, whatever the header says.
    fn remaining(&self) -> usize {
        self.end.min(self.entries.len() / 4) - self.next
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = (u32, Child<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let entry = word(self.entries, self.next)?;
        self.next += 1;
        let amount = (entry & ENTRY_OFFSET_OR_LENGTH) as usize;
        let start = self.offset;
        let end = if entry & ENTRY_HAS_OFFSET != 0 {
            amount
        } else {
            start + amount
        };
        let bytes = self.data.get(start..end)?;
        self.offset = end;
        Some((
            entry & ENTRY_TYPE,
            Child {
                bytes,
                offset: start,
            },
        ))
    }
}

/// The `index`th word of four bytes, in the machine's order.
fn word(bytes: &[u8], index: usize) -> Option<u32> {
    let at = index.checked_mul(4)?;
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_ne_bytes)
}
