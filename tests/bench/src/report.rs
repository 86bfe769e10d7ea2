//! What a benchmark found.

use serde::{Serialize, Serializer};

use crate::machine::Machine;

#[derive(Serialize)]
pub struct Report {
    name: String,
    machine: Machine,
    /// The key ends with the unit.
    #[serde(serialize_with = "as_object")]
    figures: Vec<(String, f64)>,
    /// Of two figures of this run.
    #[serde(serialize_with = "as_object")]
    ratios: Vec<(String, f64)>,
    goals: Vec<Goal>,
}

#[derive(Serialize)]
struct Goal {
    name: String,
    want: String,
    got: f64,
    met: bool,
}

/// What a ratio is meant to be.
#[derive(Clone, Copy)]
pub enum Want {
    AtLeast(f64),
    AtMost(f64),
}

impl Report {
    pub fn new(name: String, machine: Machine) -> Self {
        Self {
            name,
            machine,
            figures: Vec::new(),
            ratios: Vec::new(),
            goals: Vec::new(),
        }
    }

    pub fn figure(&mut self, key: impl Into<String>, value: f64) {
        self.figures.push((key.into(), rounded(value)));
    }

    pub fn ratio(&mut self, key: impl Into<String>, value: f64) {
        self.ratios.push((key.into(), rounded(value)));
    }

    /// A ratio that is meant to be within a bound.
    pub fn goal(&mut self, name: impl Into<String>, want: Want, got: f64) {
        let name = name.into();
        self.ratio(name.clone(), got);
        let (want, met) = match want {
            Want::AtLeast(least) => (format!("at least {least}"), got >= least),
            Want::AtMost(most) => (format!("at most {most}"), got <= most),
        };
        self.goals.push(Goal {
            name,
            want,
            got: rounded(got),
            met,
        });
    }
}

/// The middle of several measurements, which one disturbance does not move.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// Four significant digits: more would be noise.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// In the order of measuring.
fn as_object<S: Serializer>(pairs: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}
