//! The same as [`super::decode`], into the flat document that validation reads. Texts are borrowed from the datum, so that a check on
//! every write costs one allocation, not thousands.

use workflow::document::{Content, Document, Writer};

use super::decode::{CONTAINER, Child, Container, FALSE, Field, MAX_DEPTH, NUMERIC, STRING, TRUE};
use super::numeric;

/// Bytes that a value takes, more or less; it only saves copying a list that grows.
const BYTES_OF_VALUE: usize = 20;

/// Reads the content of a `jsonb` datum. `None` when it has something that is to be named instead of read: a number that no `f64` holds, or
/// a text that is not UTF-8.
pub fn document(bytes: &[u8]) -> Option<Document<'_>> {
    let mut reader = Reader {
        writer: Writer::with_capacity(bytes.len() / BYTES_OF_VALUE),
        depth: 0,
    };
    let root = Container::read(bytes)?;
    if root.is_scalar() {
        let (kind, child) = root.items().next()?;
        reader.value("", kind, child)?;
    } else {
        reader.container("", root)?;
    }
    Some(reader.writer.finish())
}

struct Reader<'a> {
    writer: Writer<'a>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, name: &'a str, kind: u32, child: Child<'a>) -> Option<()> {
        let content = match kind {
            STRING => Content::String(text(child)?),
            NUMERIC => Content::Number(numeric::read(child.aligned())?),
            TRUE => Content::Bool(true),
            FALSE => Content::Bool(false),
            CONTAINER => return self.container(name, Container::read(child.aligned())?),
            _ => Content::Null,
        };
        let open = self.writer.open(name, content);
        self.writer.close(open);
        Some(())
    }

    fn container(&mut self, name: &'a str, container: Container<'a>) -> Option<()> {
        let is_followed = self.depth < MAX_DEPTH;
        self.depth += 1;
        if container.is_object() {
            let open = self.writer.open(name, Content::Object);
            if is_followed {
                for Field {
                    key, kind, value, ..
                } in container.fields()
                {
                    self.value(text(key)?, kind, value)?;
                }
            }
            self.writer.close(open);
        } else {
            let open = self.writer.open(name, Content::Array);
            if is_followed {
                for (kind, child) in container.items() {
                    self.value("", kind, child)?;
                }
            }
            self.writer.close(open);
        }
        self.depth -= 1;
        Some(())
    }
}

fn text(child: Child<'_>) -> Option<&str> {
    std::str::from_utf8(child.bytes).ok()
}
