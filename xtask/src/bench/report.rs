//! A benchmark's report as tables for a person.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::{row, table};

#[derive(Deserialize)]
pub struct Report {
    machine: Machine,
    figures: Pairs,
    ratios: Pairs,
    goals: Vec<Goal>,
}

#[derive(Deserialize)]
struct Machine {
    system: String,
    processor: String,
    processors: usize,
    memory_gb: u64,
    postgres: String,
}

#[derive(Deserialize)]
struct Goal {
    name: String,
    want: String,
    got: f64,
    met: bool,
}

/// An object whose order is kept: figures stand as they were measured.
struct Pairs(Vec<(String, f64)>);

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(
            formatter,
            "\n{}, {} x {}, {} GB, Postgres {}\n",
            machine.system,
            machine.processors,
            machine.processor,
            machine.memory_gb,
            machine.postgres
        )?;
        for (pairs, head) in [(&self.figures, "figure"), (&self.ratios, "ratio")] {
            let mut rows = vec![row![head, ""]];
            rows.extend(pairs.0.iter().map(|(key, value)| row![key, value]));
            writeln!(formatter, "{}\n", table::render(&rows))?;
        }
        let mut rows = vec![row!["goal", "wanted", "got", ""]];
        rows.extend(self.goals.iter().map(|goal| {
            let met = if goal.met { "met" } else { "MISSED" };
            row![goal.name, goal.want, goal.got, met]
        }));
        write!(formatter, "{}", table::render(&rows))
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn a_report_reads_as_tables_in_the_order_of_measuring() {
        let report: Report = serde_json::from_str(
            r#"{"name": "quota",
                "machine": {"system": "linux", "processor": "a chip", "processors": 2, "memory_gb": 24, "postgres": "18.6", "fsync": "on"},
                "figures": {"takes_8_per_second": 4000.0, "takes_16_per_second": 5000.5},
                "ratios": {"take_to_insert": 0.8},
                "goals": [{"name": "take_to_insert", "want": "at least 0.7", "got": 0.8, "met": true},
                          {"name": "other", "want": "at most 3", "got": 4.0, "met": false}]}"#,
        )
        .unwrap();
        let text = report.to_string();
        assert!(
            text.contains("linux, 2 x a chip, 24 GB, Postgres 18.6"),
            "{text}"
        );
        assert!(
            text.contains("  takes_8_per_second   4000\n  takes_16_per_second  5000.5\n"),
            "{text}"
        );
        assert!(
            text.contains("take_to_insert  at least 0.7  0.8  met"),
            "{text}"
        );
        assert!(
            text.contains("other           at most 3     4    MISSED"),
            "{text}"
        );
    }
}
