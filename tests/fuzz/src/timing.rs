//! How long an answer about something foreign takes, against one about nothing: by turns, with nothing else in flight. Told, and not judged:
//! a machine that does other things besides would make a verdict of its own.

use std::collections::BTreeMap;

use anyhow::Result;
use uuid::Uuid;

use crate::door::{Answer, Doors};
use crate::request::{Comparable, Kind, Request};
use crate::world::World;

/// Of one question, asked many times both ways.
pub struct Timing {
    pub what: String,
    pub pairs: usize,
    /// Medians.
    pub foreign_ms: f64,
    pub ghost_ms: f64,
    /// The median of the differences within a pair.
    pub difference_ms: f64,
    /// Wilcoxon's signed-rank statistic over the pairs, as a number of standard deviations: beyond 3 either way is hardly chance.
    pub z: f64,
}

/// A question that was asked in the run, and in which lane.
pub type Question = (usize, Request);

/// Requests that ask for something foreign and find nothing, one for each thing that can be asked. They change nothing, so they can be asked
/// again and again.
#[derive(Default)]
pub struct Questions(BTreeMap<String, Question>);

impl Questions {
    pub fn consider(&mut self, world: &World, lane: usize, request: &Request, answer: &Answer) {
        let person = &world.lanes[lane].people[request.actor];
        let finds_nothing = match request.kind {
            Kind::Call | Kind::Edge => {
                answer.status == 404 && answer.body.contains("\"not_found\"")
            }
            Kind::Select | Kind::Update | Kind::Delete => {
                answer.status == 200 && answer.body == "[]"
            }
            _ => false,
        };
        let is_plain = request.comparable == Comparable::Whole && person.name == "owner";
        if !finds_nothing || !is_plain || world.secrets.said_by(request).is_empty() {
            return;
        }
        let path = request.target.split('?').next().unwrap_or_default();
        // The ids in edge-api's paths are no part of the question.
        let what: Vec<&str> = path
            .split('/')
            .filter(|part| part.parse::<Uuid>().is_err())
            .collect();
        self.0
            .entry(format!("{} {}", request.method, what.join("/")))
            .or_insert_with(|| (lane, request.clone()));
    }

    /// Calls and changes come before what is only read.
    pub async fn ask(
        &self,
        world: &World,
        doors: &Doors,
        most: usize,
        pairs: usize,
    ) -> Result<Vec<Timing>> {
        let mut questions: Vec<_> = self.0.iter().collect();
        questions.sort_by_key(|(what, (_, request))| (request.is_read(), (*what).clone()));
        let mut timings = Vec::new();
        for (what, (lane, request)) in questions.into_iter().take(most) {
            world.put_back(*lane).await?;
            let person = &world.lanes[*lane].people[request.actor];
            let ghost = request.ghost(&world.secrets);
            let mut measured = Vec::new();
            for turn in 0..pairs {
                let (first, second) = if turn % 2 == 0 {
                    (request, &ghost)
                } else {
                    (&ghost, request)
                };
                let one = doors.send(first, person).await.elapsed.as_secs_f64() * 1000.0;
                let two = doors.send(second, person).await.elapsed.as_secs_f64() * 1000.0;
                measured.push(if turn % 2 == 0 {
                    (one, two)
                } else {
                    (two, one)
                });
            }
            timings.push(Timing::of(what.clone(), &measured));
        }
        Ok(timings)
    }
}

impl Timing {
    fn of(what: String, measured: &[(f64, f64)]) -> Self {
        let differences: Vec<f64> = measured
            .iter()
            .map(|(foreign, ghost)| foreign - ghost)
            .collect();
        Self {
            what,
            pairs: measured.len(),
            foreign_ms: median(measured.iter().map(|(foreign, _)| *foreign).collect()),
            ghost_ms: median(measured.iter().map(|(_, ghost)| *ghost).collect()),
            z: signed_rank(&differences),
            difference_ms: median(differences),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// <https://en.wikipedia.org/wiki/Wilcoxon_signed-rank_test>, without a correction for ties: times hardly ever tie.
fn signed_rank(differences: &[f64]) -> f64 {
    let mut ranked: Vec<f64> = differences
        .iter()
        .copied()
        .filter(|difference| *difference != 0.0)
        .collect();
    ranked.sort_by(|one, other| one.abs().total_cmp(&other.abs()));
    let n = ranked.len() as f64;
    if ranked.len() < 5 {
        return 0.0;
    }
    let sum: f64 = ranked
        .iter()
        .enumerate()
        .map(|(index, difference)| difference.signum() * (index + 1) as f64)
        .sum();
    sum / (n * (n + 1.0) * (2.0 * n + 1.0) / 6.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::{median, signed_rank};

    #[test]
    fn the_statistic_is_nothing_without_a_direction_and_large_with_one() {
        let both_ways: Vec<f64> = (1..=40)
            .map(|n| f64::from(n) * if n % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        assert!(signed_rank(&both_ways).abs() < 1.0);
        let one_way: Vec<f64> = (1..=40).map(f64::from).collect();
        assert!(signed_rank(&one_way) > 5.0);
        // Against a table: W = 27 of 6 pairs all positive but the smallest gives (21 - 2) / sqrt(91).
        let almost = [-1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert!((signed_rank(&almost) - 19.0 / 91.0_f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
