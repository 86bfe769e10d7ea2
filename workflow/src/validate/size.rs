//! Refuses what is too large before anything else looks at it.

use super::report::Report;
use crate::Code;
use crate::document::{Document, Extent, Json, View};
use crate::limits::{MAX_BYTES, MAX_DEPTH, MAX_STRING};
use crate::path::Path;

/// Whether the workflow is within its bounds; otherwise the report says which one it exceeds,
/// once, and nothing else is worth looking at.
pub(crate) fn check(nodes: &Document<'_>, connections: &Document<'_>, report: &mut Report) -> bool {
    // What is known from writing the documents counts a little too much, never too little.
    let extents = [nodes.extent(), connections.extent()];
    let bytes: usize = extents.iter().map(|extent| extent.bytes).sum();
    let is_small = |extent: &Extent| extent.levels <= MAX_DEPTH && extent.longest <= MAX_STRING;
    if bytes <= MAX_BYTES && extents.iter().all(is_small) {
        return true;
    }
    let mut size = Size { bytes: 0 };
    [
        (nodes.root(), Path::NODES),
        (connections.root(), Path::CONNECTIONS),
    ]
    .iter()
    .all(|(value, path)| match size.measure(*value, path, 0) {
        Ok(()) => true,
        Err((pointer, message)) => {
            report.add_at(Code::TooLarge, pointer, message);
            false
        }
    })
}

struct Size {
    bytes: usize,
}

impl Size {
    fn measure(
        &mut self,
        value: Json<'_>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), (String, String)> {
        // The array of nodes and each node are levels of their own.
        if depth > MAX_DEPTH + 2 {
            return Err((
                path.pointer(),
                format!("is nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        match value.view() {
            View::Null | View::Bool | View::Number(_) => self.add(8, path)?,
            View::String(text) => {
                if text.len() > MAX_STRING {
                    return Err((path.pointer(), format!("is longer than {MAX_STRING} bytes")));
                }
                self.add(text.len() + 2, path)?;
            }
            View::Array(items) => {
                self.add(8, path)?;
                for (index, item) in items.enumerate() {
                    self.measure(item, &path.index(index), depth + 1)?;
                }
            }
            View::Object(fields) => {
                self.add(8, path)?;
                for (name, item) in fields {
                    self.add(name.len() + 2, path)?;
                    self.measure(item, &path.key(name), depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, bytes: usize, path: &Path<'_>) -> Result<(), (String, String)> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_BYTES {
            let root = if path.pointer().starts_with("/connections") {
                "/connections"
            } else {
                "/nodes"
            };
            return Err((
                root.to_owned(),
                format!("the workflow is larger than {MAX_BYTES} bytes; keep data out of it"),
            ));
        }
        Ok(())
    }
}
