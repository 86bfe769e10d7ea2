//! JSON as validation reads it: one list of borrowed values, each before those that it holds.
//!
//! A tree of `serde_json::Value` costs an allocation for every text and several for every object;
//! building and dropping one takes twice as long as validating it. Here there is one allocation for
//! all. Whoever has JSON in another form, such as Postgres's, writes it with a [`Writer`].

use serde_json::{Map, Number, Value};

/// Levels that are read from a `Value`. What is deeper is left out: validation refuses the workflow
/// for its depth before it could miss anything.
const LEVELS: usize = crate::limits::MAX_DEPTH + 8;

/// What a value counts for in [`Extent::bytes`] besides its name and text.
const BYTES_OF_VALUE: usize = 16;

/// A whole document.
#[derive(Debug)]
pub struct Document<'a> {
    entries: Vec<Entry<'a>>,
    extent: Extent,
}

/// How large a document is, at most: known without going through it again.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Extent {
    /// Of all names and texts, and some for each value.
    pub(crate) bytes: usize,
    /// Values that are inside each other, the outermost included.
    pub(crate) levels: usize,
    /// Bytes of the longest text.
    pub(crate) longest: usize,
}

/// One value, with the name that it has in its object.
#[derive(Debug)]
struct Entry<'a> {
    name: &'a str,
    content: Content<'a>,
    /// Entries that it takes, its own included.
    size: usize,
}

/// What a value is. Containers do not hold what is in them: it follows.
#[derive(Debug, Clone)]
pub enum Content<'a> {
    /// JSON's null.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as exact as serde_json has it.
    Number(Number),
    /// A text.
    String(&'a str),
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Document<'a> {
    /// The same as a `Value`.
    pub fn of(value: &'a Value) -> Document<'a> {
        let mut writer = Writer::default();
        write(value, "", 0, &mut writer);
        writer.finish()
    }

    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> Json<'_> {
        Json(&self.entries)
    }
}

fn write<'a>(value: &'a Value, name: &'a str, level: usize, writer: &mut Writer<'a>) {
    let content = match value {
        Value::Null => Content::Null,
        Value::Bool(value) => Content::Bool(*value),
        Value::Number(number) => Content::Number(number.clone()),
        Value::String(text) => Content::String(text),
        Value::Array(_) => Content::Array,
        Value::Object(_) => Content::Object,
    };
    let open = writer.open(name, content);
    match value {
        _ if level >= LEVELS => {}
        Value::Array(items) => items
            .iter()
            .for_each(|item| write(item, "", level + 1, writer)),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, item)| write(item, name, level + 1, writer)),
        _ => {}
    }
    writer.close(open);
}

/// Writes a document, value by value.
#[derive(Debug, Default)]
pub struct Writer<'a> {
    entries: Vec<Entry<'a>>,
    extent: Extent,
    /// Values that are open.
    level: usize,
}

/// A value whose end is not written yet.
#[derive(Debug)]
#[must_use]
pub struct Open(usize);

impl<'a> Writer<'a> {
    /// With room for so many values before its list has to grow.
    pub fn with_capacity(values: usize) -> Writer<'a> {
        Writer {
            entries: Vec::with_capacity(values),
            ..Writer::default()
        }
    }

    /// Begins a value; what is written until it is closed is inside of it. `name` is that of the
    /// field, and empty for what is in no object.
    pub fn open(&mut self, name: &'a str, content: Content<'a>) -> Open {
        let text = match content {
            Content::String(text) => text.len(),
            _ => 0,
        };
        self.level += 1;
        self.extent.levels = self.extent.levels.max(self.level);
        self.extent.longest = self.extent.longest.max(text);
        self.extent.bytes += name.len() + text + BYTES_OF_VALUE;
        let size = 1;
        self.entries.push(Entry {
            name,
            content,
            size,
        });
        Open(self.entries.len() - 1)
    }

    /// Ends a value, containers and others alike.
    pub fn close(&mut self, Open(at): Open) {
        self.level = self.level.saturating_sub(1);
        let size = self.entries.len() - at;
        if let Some(entry) = self.entries.get_mut(at) {
            entry.size = size;
        }
    }

    /// The document; `null` when nothing was written.
    pub fn finish(mut self) -> Document<'a> {
        if self.entries.is_empty() {
            let open = self.open("", Content::Null);
            self.close(open);
        }
        Document {
            entries: self.entries,
            extent: self.extent,
        }
    }
}

/// A value in a document: itself, and behind it all that it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Json<'a>(&'a [Entry<'a>]);

/// A value to match on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'a> {
    Null,
    Bool,
    Number(&'a Number),
    String(&'a str),
    Array(Items<'a>),
    Object(Fields<'a>),
}

impl<'a> Json<'a> {
    pub(crate) fn view(self) -> View<'a> {
        let Some((entry, inner)) = self.0.split_first() else {
            return View::Null;
        };
        match &entry.content {
            Content::Null => View::Null,
            Content::Bool(_) => View::Bool,
            Content::Number(number) => View::Number(number),
            Content::String(text) => View::String(text),
            Content::Array => View::Array(Items(Fields(inner))),
            Content::Object => View::Object(Fields(inner)),
        }
    }

    pub(crate) fn as_str(self) -> Option<&'a str> {
        match self.view() {
            View::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_number(self) -> Option<&'a Number> {
        match self.view() {
            View::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn as_f64(self) -> Option<f64> {
        self.as_number()?.as_f64()
    }

    pub(crate) fn list(self) -> Option<Items<'a>> {
        match self.view() {
            View::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn fields(self) -> Option<Fields<'a>> {
        match self.view() {
            View::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The field of that name, if this is an object that has one.
    pub(crate) fn get(self, name: &str) -> Option<Json<'a>> {
        self.fields()?.get(name)
    }

    /// Its items; none when it is no array.
    pub(crate) fn items(self) -> Items<'a> {
        self.list().unwrap_or(Items::NONE)
    }

    pub(crate) fn to_value(self) -> Value {
        let Some(entry) = self.0.first() else {
            return Value::Null;
        };
        match &entry.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::String(text) => Value::String((*text).to_owned()),
            Content::Array => Value::Array(self.items().map(Json::to_value).collect()),
            Content::Object => {
                let fields = Fields(&self.0[1..]);
                let fields = fields.map(|(name, value)| (name.to_owned(), value.to_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Whether it is the same as a value that holds nothing.
    pub(crate) fn is(self, value: &Value) -> bool {
        match (self.view(), value) {
            (View::String(text), Value::String(other)) => text == other,
            (View::Null, Value::Null) => true,
            (View::Number(number), Value::Number(other)) => number == other,
            (View::Bool, Value::Bool(_)) => self.to_value() == *value,
            _ => false,
        }
    }
}

/// The fields of an object, in the order that they were written in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [Entry<'a>]);

impl<'a> Fields<'a> {
    pub(crate) fn get(self, name: &str) -> Option<Json<'a>> {
        let mut fields = self;
        fields
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.0.first()?;
        let (value, rest) = self.0.split_at_checked(entry.size)?;
        self.0 = rest;
        Some((entry.name, Json(value)))
    }
}

impl Fields<'_> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// The items of an array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Items<'a>(Fields<'a>);

impl Items<'_> {
    pub(crate) const NONE: Items<'static> = Items(Fields(&[]));

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        self.0.next().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_the_same_after_it_was_a_document() {
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!([1, -2, 2.5, u64::MAX, true, "x", [], [[]], {}, {"": {"a": [null, {"b": 1}]}, "b": 2}]),
        ] {
            assert_eq!(Document::of(&value).root().to_value(), value);
        }
    }

    #[test]
    fn fields_and_items_are_found_behind_what_holds_others() {
        let value = json!({"a": [{"x": [1, 2]}, "y"], "b": {"c": {"d": "e"}}, "f": "g"});
        let document = Document::of(&value);
        let root = document.root();
        assert_eq!(root.get("f").and_then(Json::as_str), Some("g"));
        let inner = root.get("b").and_then(|b| b.get("c")?.get("d"));
        assert_eq!(inner.and_then(Json::as_str), Some("e"));
        let items: Vec<_> = root.get("a").into_iter().flat_map(Json::items).collect();
        assert_eq!(items.len(), 2);
        assert!(items[1].is(&json!("y")));
        assert!(root.get("e").is_none() && items[1].get("x").is_none());
        assert!(Writer::default().finish().root().is(&Value::Null));
    }
}
