//! Charges for all that a value holds, however often it holds the same, and limits how deeply it
//! nests. The instructions that do so are put into every program, see [`super::program`].

use std::collections::BTreeMap;

use minijinja::value::{Rest, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value};

use super::context::{Root, Steps};

/// Passes its value through, charged for.
pub(super) const WEIGH: &str = "__weigh";
/// Calls the filter that its last argument names.
pub(super) const FILTER: &str = "__filter";
/// Calls the test that its last argument names.
pub(super) const TEST: &str = "__test";

/// Levels that a value may nest. Comparing and dropping it recurse.
const MAX_LEVELS: usize = 200;
/// Values that one unit of fuel pays for.
const VALUES_PER_FUEL: u64 = 16;
/// Bytes of text inside other values that cost as much as one value.
const BYTES_PER_VALUE: usize = 64;

type Map = BTreeMap<Value, Value>;

pub(super) fn weigh(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if value.as_object().is_none() {
        return Ok(value);
    }
    let value = settled(state, value)?;
    charge(state, &value)?;
    Ok(value)
}

pub(super) fn filter(
    state: &mut State<'_, '_>,
    arguments: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let arguments = arguments.into_values();
    let name = charged(state, &arguments)?;
    let result = state.apply_filter(&name, &arguments[..arguments.len() - 1])?;
    weigh(state, result)
}

pub(super) fn test(
    state: &mut State<'_, '_>,
    arguments: Rest<ValueOrKwargs>,
) -> Result<bool, Error> {
    let arguments = arguments.into_values();
    let name = charged(state, &arguments)?;
    state.perform_test(&name, &arguments[..arguments.len() - 1])
}

/// Charges for the arguments, and takes the name from the end of them.
fn charged(state: &State<'_, '_>, arguments: &[Value]) -> Result<String, Error> {
    let Some((name, arguments)) = arguments.split_last() else {
        return Err(Error::from(ErrorKind::MissingArgument));
    };
    for argument in arguments {
        if argument.as_object().is_some() {
            charge(state, argument)?;
        }
    }
    Ok(name.as_str().unwrap_or_default().to_owned())
}

/// What minijinja would compute anew on each use, such as a slice or a sum of lists, computed once.
/// Otherwise such values could be nested in each other without being weighed.
fn settled(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            if is_list(&value) {
                return Ok(value);
            }
            let mut items = Vec::new();
            for item in value.try_iter()?.checked() {
                state.consume_fuel(1)?;
                items.push(item?);
            }
            Ok(Value::from(items))
        }
        ValueKind::Map => {
            let is_known = value.downcast_object_ref::<Map>().is_some()
                || value.downcast_object_ref::<Root>().is_some()
                || value.downcast_object_ref::<Steps>().is_some();
            if is_known || value.is_kwargs() {
                return Ok(value);
            }
            let mut fields = Map::new();
            for key in value.try_iter()?.checked() {
                state.consume_fuel(1)?;
                let key = key?;
                let item = value.get_item(&key)?;
                fields.insert(key, item);
            }
            Ok(Value::from_object(fields))
        }
        _ => Ok(value),
    }
}

fn is_list(value: &Value) -> bool {
    value.downcast_object_ref::<Vec<Value>>().is_some()
        || value.downcast_object_ref::<Tuple>().is_some()
}

fn charge(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let mut scales = Scales { state, weight: 0 };
    scales.put(value, 0)?;
    state.consume_fuel(scales.weight / VALUES_PER_FUEL + 1)
}

struct Scales<'s, 't, 'e> {
    state: &'s State<'t, 'e>,
    /// In values; not charged for yet.
    weight: u64,
}

impl Scales<'_, '_, '_> {
    fn put(&mut self, value: &Value, level: usize) -> Result<(), Error> {
        let text = value.as_str().map_or(0, str::len);
        self.weight += 1 + (text / BYTES_PER_VALUE) as u64;
        // Charged in between, so that not even the weighing takes longer than the fuel allows.
        if self.weight >= 1_024 {
            self.state.consume_fuel(self.weight / VALUES_PER_FUEL)?;
            self.weight = 0;
        }
        if value.as_object().is_none() {
            return Ok(());
        }
        if level >= MAX_LEVELS {
            let detail = format!("a value nests more than {MAX_LEVELS} levels");
            return Err(Error::new(ErrorKind::InvalidOperation, detail));
        }
        if let Some(items) = value.downcast_object_ref::<Vec<Value>>() {
            return items.iter().try_for_each(|item| self.put(item, level + 1));
        }
        if let Some(fields) = value.downcast_object_ref::<Map>() {
            return fields.iter().try_for_each(|(key, item)| {
                self.put(key, level + 1)?;
                self.put(item, level + 1)
            });
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => value
                .try_iter()?
                .checked()
                .try_for_each(|item| self.put(&item?, level + 1)),
            ValueKind::Map => value.try_iter()?.checked().try_for_each(|key| {
                let key = key?;
                let item = value.get_item(&key)?;
                self.put(&key, level + 1)?;
                self.put(&item, level + 1)
            }),
            _ => Ok(()),
        }
    }
}
