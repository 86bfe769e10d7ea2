//! A compiled schema, and the walk that checks a value against it.

use std::borrow::Cow;

use serde_json::Value;

use super::pattern::Matcher;
use crate::Code;
use crate::document::{Fields, Items, Json, View};
use crate::nearest::suggestion;
use crate::path::Path;

/// How the strings of a value are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As they stand.
    Literal,
    /// As a template.
    Text,
    /// As templates, anywhere inside.
    Json,
    /// As an expression without braces.
    Expression,
}

/// Checks that JSON schema has no keyword for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Cron,
    Timezone,
    Timestamp,
    JsonSchema,
    /// The only check of its value: one mistake has one code.
    AgentVersion,
}

/// What a walk meets.
pub(crate) trait Events {
    fn problem(&mut self, code: Code, path: &Path<'_>, message: Cow<'static, str>);
    /// Whether nothing that the walk may still meet is of interest.
    fn is_settled(&self) -> bool;
    /// A string that is read as a template or an expression.
    fn template(&mut self, text: &str, mode: Mode, secrets: bool, path: &Path<'_>);
    /// A string that is not.
    fn literal(&mut self, text: &str, path: &Path<'_>);
    fn format(&mut self, value: Json<'_>, format: Format, path: &Path<'_>);
}

/// A set of JSON types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) const NONE: Types = Types(0);
    pub(crate) const ANY: Types = Types(0x7f);
    const NAMES: [&'static str; 7] = [
        "null", "boolean", "integer", "number", "string", "array", "object",
    ];

    pub(crate) fn named(name: &str) -> Types {
        match Self::NAMES.iter().position(|known| *known == name) {
            // Every integer is a number.
            Some(3) => Types(0b1100),
            Some(bit) => Types(1 << bit),
            None => Types::NONE,
        }
    }

    pub(crate) fn or(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    fn of(value: Json<'_>) -> Types {
        Types(match value.view() {
            View::Null => 1,
            View::Bool => 1 << 1,
            View::Number(number) => {
                let is_integer =
                    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0);
                1 << if is_integer { 2 } else { 3 }
            }
            View::String(_) => 1 << 4,
            View::Array(_) => 1 << 5,
            View::Object(_) => 1 << 6,
        })
    }

    fn has(self, value: Json<'_>) -> bool {
        self.0 & Types::of(value).0 != 0
    }

    fn describe(self) -> String {
        let article = |name: &str| match name {
            "null" => "null".to_owned(),
            name if name.starts_with(['a', 'i', 'o']) => format!("an {name}"),
            name => format!("a {name}"),
        };
        let names: Vec<_> = Self::NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0)
            // A number may be an integer; naming both would only confuse.
            .filter(|(bit, _)| !(*bit == 2 && self.0 & 0b1000 != 0))
            .map(|(_, name)| article(name))
            .collect();
        names.join(" or ")
    }
}

/// What happens to fields that the schema does not name.
#[derive(Debug)]
pub(crate) enum Extra {
    Ignored,
    Refused,
    Checked(Box<Check>),
}

/// `oneOf` and `anyOf`, in the three forms that our schemas use.
#[derive(Debug)]
pub(crate) enum Alternatives {
    None,
    /// One of these fields, or exactly one of them.
    Required {
        names: Vec<Box<str>>,
        exactly_one: bool,
    },
    /// By the value of the field `kind`.
    ByKind(Vec<(Box<str>, Check)>),
    /// By the type of the value.
    ByType(Vec<Check>),
}

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) types: Types,
    pub(crate) allowed: Option<Vec<Value>>,
    /// Name, whether it is required, and its own check. At most 64.
    pub(crate) fields: Vec<(Box<str>, bool, Check)>,
    pub(crate) extra: Extra,
    pub(crate) max_fields: Option<usize>,
    pub(crate) items: Option<Box<Check>>,
    pub(crate) min_items: Option<usize>,
    pub(crate) max_items: Option<usize>,
    pub(crate) unique: bool,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) pattern: Option<(Matcher, &'static str)>,
    pub(crate) minimum: Option<f64>,
    pub(crate) above: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) alternatives: Alternatives,
    pub(crate) mode: Mode,
    pub(crate) secrets: bool,
    pub(crate) format: Option<Format>,
}

impl Check {
    /// The check of a named field.
    pub(crate) fn property(&self, name: &str) -> Option<&Check> {
        self.fields
            .iter()
            .find(|(field, ..)| **field == *name)
            .map(|(_, _, check)| check)
    }

    /// Whether strings in the value are rendered.
    pub(crate) fn is_rendered(&self) -> bool {
        matches!(self.mode, Mode::Text | Mode::Json)
            || self.fields.iter().any(|(_, _, check)| check.is_rendered())
            || self.items.as_ref().is_some_and(|items| items.is_rendered())
            || matches!(&self.extra, Extra::Checked(check) if check.is_rendered())
            || match &self.alternatives {
                Alternatives::ByKind(list) => list.iter().any(|(_, check)| check.is_rendered()),
                Alternatives::ByType(list) => list.iter().any(Check::is_rendered),
                Alternatives::None | Alternatives::Required { .. } => false,
            }
    }

    /// Reports everything that is wrong with the value. The value must not nest deeper than
    /// `limits::MAX_DEPTH`, since the walk recurses.
    pub(crate) fn run(&self, value: Json<'_>, path: &Path<'_>, events: &mut impl Events) {
        if !self.types.has(value) {
            let message = format!("must be {}", self.types.describe());
            events.problem(Code::WrongType, path, message.into());
            return;
        }
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|allowed| value.is(allowed))
        {
            events.problem(Code::InvalidValue, path, not_allowed(value, allowed).into());
            return;
        }
        match value.view() {
            View::String(text) => self.string(text, path, events),
            View::Number(number) => self.number(number.as_f64(), path, events),
            View::Array(items) => self.array(items, path, events),
            View::Object(fields) => self.object(fields, path, events),
            View::Null | View::Bool => {}
        }
        if let Some(format) = self.format {
            events.format(value, format, path);
        }
        match &self.alternatives {
            Alternatives::None => {}
            Alternatives::Required { names, exactly_one } => {
                required_one(value, names, *exactly_one, path, events);
            }
            Alternatives::ByKind(list) => by_kind(value, list, path, events),
            Alternatives::ByType(list) => by_type(value, list, path, events),
        }
    }

    fn string(&self, text: &str, path: &Path<'_>, events: &mut impl Events) {
        // Counting characters is only needed when bytes could deceive.
        let length = |limit: usize| {
            if text.len() <= limit {
                text.len()
            } else {
                text.chars().count()
            }
        };
        if let Some(limit) = self.max_length
            && length(limit) > limit
        {
            let message = format!("must have at most {limit} characters");
            events.problem(Code::OutOfRange, path, message.into());
        }
        if let Some(limit) = self.min_length
            && text.chars().take(limit).count() < limit
        {
            let message = match limit {
                1 => Cow::Borrowed("must not be empty"),
                _ => format!("must have at least {limit} characters").into(),
            };
            events.problem(Code::OutOfRange, path, message);
        }
        if let Some((matches, message)) = self.pattern
            && !matches(text)
        {
            events.problem(Code::InvalidValue, path, message.into());
        }
        match self.mode {
            Mode::Literal => {
                // What holds an alternative or nothing at all says nothing about its strings.
                if matches!(self.alternatives, Alternatives::None) {
                    events.literal(text, path);
                }
            }
            mode => events.template(text, mode, self.secrets, path),
        }
    }

    fn number(&self, number: Option<f64>, path: &Path<'_>, events: &mut impl Events) {
        let Some(number) = number else { return };
        let message = match (self.minimum, self.above, self.maximum) {
            (Some(least), _, _) if number < least => format!("must be at least {least}"),
            (_, Some(above), _) if number <= above => format!("must be greater than {above}"),
            (_, _, Some(most)) if number > most => format!("must be at most {most}"),
            _ => return,
        };
        events.problem(Code::OutOfRange, path, message.into());
    }

    fn array(&self, items: Items<'_>, path: &Path<'_>, events: &mut impl Events) {
        if self.mode == Mode::Json {
            for (index, item) in items.enumerate() {
                self.run(item, &path.index(index), events);
            }
            return;
        }
        if let Some(limit) = self.max_items
            && items.count() > limit
        {
            let message = format!("must have at most {limit} items");
            events.problem(Code::OutOfRange, path, message.into());
        }
        if let Some(limit) = self.min_items
            && items.take(limit).count() < limit
        {
            let message = match limit {
                1 => Cow::Borrowed("must have an item"),
                _ => format!("must have at least {limit} items").into(),
            };
            events.problem(Code::OutOfRange, path, message);
        }
        if self.unique {
            // Bounded, since the quadratic search is only right for a handful of items.
            let items: Vec<Value> = items.take(64).map(Json::to_value).collect();
            for (index, item) in items.iter().enumerate() {
                if items[..index].contains(item) {
                    events.problem(
                        Code::InvalidValue,
                        &path.index(index),
                        "is in the list already".into(),
                    );
                }
            }
        }
        if let Some(check) = &self.items {
            for (index, item) in items.enumerate() {
                check.run(item, &path.index(index), events);
            }
        }
    }

    fn object(&self, fields: Fields<'_>, path: &Path<'_>, events: &mut impl Events) {
        if self.mode == Mode::Json {
            for (name, value) in fields {
                self.run(value, &path.key(name), events);
            }
            return;
        }
        if let Some(limit) = self.max_fields
            && fields.count() > limit
        {
            let message = format!("must have at most {limit} entries");
            events.problem(Code::OutOfRange, path, message.into());
        }
        let mut seen = 0_u64;
        for (name, value) in fields {
            if events.is_settled() {
                return;
            }
            let known = self.fields.iter().position(|(field, ..)| **field == *name);
            match (known, &self.extra) {
                (Some(index), _) => {
                    seen |= 1 << index;
                    self.fields[index].2.run(value, &path.key(name), events);
                }
                (None, Extra::Ignored) => {}
                (None, Extra::Checked(check)) => check.run(value, &path.key(name), events),
                (None, Extra::Refused) => {
                    let known = self.fields.iter().map(|(field, ..)| &**field);
                    let message = match suggestion(name, known) {
                        Some(near) => format!("is not a field here; did you mean `{near}`?"),
                        None => "is not a field here; remove it".to_owned(),
                    };
                    events.problem(Code::UnknownField, &path.key(name), message.into());
                }
            }
        }
        for (index, (name, is_required, _)) in self.fields.iter().enumerate() {
            if *is_required && seen & (1 << index) == 0 {
                let message = format!("`{name}` is required");
                events.problem(Code::MissingField, &path.key(name), message.into());
            }
        }
    }
}

fn not_allowed(value: Json<'_>, allowed: &[Value]) -> String {
    let names = || allowed.iter().filter_map(Value::as_str);
    let near = value.as_str().and_then(|text| suggestion(text, names()));
    match near {
        Some(near) => format!("is not allowed here; did you mean `{near}`?"),
        None => format!("must be one of {}", names().collect::<Vec<_>>().join(", ")),
    }
}

fn required_one(
    value: Json<'_>,
    names: &[Box<str>],
    exactly_one: bool,
    path: &Path<'_>,
    events: &mut impl Events,
) {
    let View::Object(fields) = value.view() else {
        return;
    };
    let list = || names.join("` or `");
    match names
        .iter()
        .filter(|name| fields.get(name).is_some())
        .count()
    {
        0 => {
            let message = format!("`{}` is required", list());
            events.problem(Code::MissingField, path, message.into());
        }
        2.. if exactly_one => {
            let message = format!("must have `{}`, not both", list());
            events.problem(Code::InvalidValue, path, message.into());
        }
        _ => {}
    }
}

fn by_kind(value: Json<'_>, list: &[(Box<str>, Check)], path: &Path<'_>, events: &mut impl Events) {
    let kind = value.get("kind");
    let known = list
        .iter()
        .find(|(name, _)| kind.and_then(Json::as_str) == Some(name));
    if let Some((_, check)) = known {
        return check.run(value, path, events);
    }
    let names = list
        .iter()
        .map(|(name, _)| &**name)
        .collect::<Vec<_>>()
        .join(", ");
    let (code, message) = match (value.view(), kind) {
        (View::Object(_), Some(_)) => (Code::InvalidValue, format!("must be one of {names}")),
        (View::Object(_), None) => (
            Code::MissingField,
            format!("`kind` is required: one of {names}"),
        ),
        _ => {
            return events.problem(Code::WrongType, path, "must be an object".into());
        }
    };
    events.problem(code, &path.key("kind"), message.into());
}

fn by_type(value: Json<'_>, list: &[Check], path: &Path<'_>, events: &mut impl Events) {
    if let Some(check) = list.iter().find(|check| check.types.has(value)) {
        return check.run(value, path, events);
    }
    let types = list
        .iter()
        .fold(Types::NONE, |types, check| types.or(check.types));
    let message = format!("must be {}", types.describe());
    events.problem(Code::WrongType, path, message.into());
}
