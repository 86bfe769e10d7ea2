//! Between JSON and the values of the language, within bounds.

use std::collections::BTreeMap;

use minijinja::Value as JinjaValue;
use minijinja::value::ValueKind;
use serde_json::{Map, Number, Value};

use super::environment::RENDER_FUEL;
use super::error::{ExpressionError, ExpressionErrorKind};

/// Bytes that one rendered config may have.
pub(crate) const MAX_OUTPUT: usize = 8 * 1024 * 1024;
/// Levels of arrays and objects that a result may have.
const MAX_RESULT_DEPTH: usize = 100;

/// What one call may still produce and cost.
pub(crate) struct Budget {
    bytes: usize,
    fuel: u64,
}

impl Budget {
    pub(crate) fn new() -> Budget {
        Budget {
            bytes: MAX_OUTPUT,
            fuel: RENDER_FUEL,
        }
    }

    /// Pays for output.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), ExpressionError> {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(ExpressionError::new(
                ExpressionErrorKind::TooLarge,
                format!("the result is larger than {MAX_OUTPUT} bytes"),
            )),
        }
    }

    /// Pays for work that is done.
    pub(crate) fn burn(&mut self, fuel: u64) -> Result<(), ExpressionError> {
        match self.fuel.checked_sub(fuel) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => Err(ExpressionError::new(
                ExpressionErrorKind::OutOfFuel,
                "the expressions of this config take too much work together",
            )),
        }
    }
}

/// From JSON. What nests more deeply than any parser would have let through becomes `none`.
pub(crate) fn from_json(value: &Value) -> JinjaValue {
    fn convert(value: &Value, depth: usize) -> JinjaValue {
        if depth > 2 * MAX_RESULT_DEPTH {
            return JinjaValue::from(());
        }
        match value {
            Value::Null => JinjaValue::from(()),
            Value::Bool(value) => JinjaValue::from(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => JinjaValue::from(integer),
                (None, Some(integer)) => JinjaValue::from(integer),
                (None, None) => JinjaValue::from(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => JinjaValue::from(text.as_str()),
            Value::Array(items) => items
                .iter()
                .map(|item| convert(item, depth + 1))
                .collect::<Vec<_>>()
                .into(),
            Value::Object(fields) => object(
                fields
                    .iter()
                    .map(|(name, item)| (name.as_str(), convert(item, depth + 1))),
            ),
        }
    }
    convert(value, 0)
}

/// An object as [`from_json`] makes them, which weighing knows.
pub(super) fn object<'a>(fields: impl Iterator<Item = (&'a str, JinjaValue)>) -> JinjaValue {
    JinjaValue::from_object(
        fields
            .map(|(name, item)| (JinjaValue::from(name), item))
            .collect::<BTreeMap<JinjaValue, JinjaValue>>(),
    )
}

/// To JSON.
pub(crate) fn to_json(value: &JinjaValue, budget: &mut Budget) -> Result<Value, ExpressionError> {
    convert(value, budget, 0)
}

fn convert(
    value: &JinjaValue,
    budget: &mut Budget,
    depth: usize,
) -> Result<Value, ExpressionError> {
    budget.take(8)?;
    if depth > MAX_RESULT_DEPTH {
        return Err(ExpressionError::new(
            ExpressionErrorKind::TooLarge,
            format!("the result nests more than {MAX_RESULT_DEPTH} levels"),
        ));
    }
    match value.kind() {
        ValueKind::Undefined => Err(ExpressionError::new(
            ExpressionErrorKind::Undefined,
            "a value is undefined",
        )),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            budget.take(text.len())?;
            Ok(Value::String(text.to_owned()))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in entries(value)? {
                items.push(convert(&item, budget, depth + 1)?);
            }
            Ok(Value::Array(items))
        }
        ValueKind::Map => {
            let mut map = Map::new();
            for key in entries(value)? {
                let name = match key.as_str() {
                    Some(text) => text.to_owned(),
                    None if matches!(key.kind(), ValueKind::Number | ValueKind::Bool) => {
                        key.to_string()
                    }
                    None => return Err(no_json("an object whose key is not text")),
                };
                budget.take(name.len())?;
                let item = value
                    .get_item(&key)
                    .map_err(|error| ExpressionError::from_minijinja(&error))?;
                map.insert(name, convert(&item, budget, depth + 1)?);
            }
            Ok(Value::Object(map))
        }
        ValueKind::Bytes => Err(no_json("bytes")),
        ValueKind::Plain => Err(no_json("a function or an object of the language")),
        ValueKind::Invalid => Err(no_json("a value that could not be computed")),
        _ => Err(no_json("a value of a kind that JSON lacks")),
    }
}

fn entries(
    value: &JinjaValue,
) -> Result<impl Iterator<Item = JinjaValue> + use<>, ExpressionError> {
    value
        .try_iter()
        .map_err(|error| ExpressionError::from_minijinja(&error))
}

fn number(value: &JinjaValue) -> Result<Value, ExpressionError> {
    if value.is_integer() {
        if let Ok(integer) = i64::try_from(value.clone()) {
            return Ok(Value::Number(integer.into()));
        }
        if let Ok(integer) = u64::try_from(value.clone()) {
            return Ok(Value::Number(integer.into()));
        }
    }
    f64::try_from(value.clone())
        .ok()
        .and_then(Number::from_f64)
        .map(Value::Number)
        .ok_or_else(|| no_json("a number that is not finite"))
}

fn no_json(what: &str) -> ExpressionError {
    ExpressionError::new(
        ExpressionErrorKind::NotJson,
        format!("the result is {what}, which has no form in JSON"),
    )
}
