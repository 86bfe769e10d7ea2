//! A round: each lane's requests, asked three times from the same beginning.
//!
//! | run     | the foreign tenants | asks about | its answers must be |
//! | ------- | ------------------- | ---------- | ------------------- |
//! | foreign | are there           | them       | free of them        |
//! | ghost   | are there           | nobody     | the same            |
//! | absent  | are gone            | them       | the same            |
//!
//! The second says that nothing tells what is foreign from what does not exist; the third, that nothing foreign is counted, ordered by, or
//! weighed in any other way. Before each run the lane's own tenant is put back as it was made.

mod finding;
mod look;
mod narrow;

use anyhow::Result;
use futures::future::try_join_all;

use crate::door::{Answer, Doors};
use crate::generate::Scene;
use crate::request::Request;
use crate::tally::Tally;
use crate::timing::Questions;
use crate::world::{LANES, World};

pub use finding::{Detector, Finding};

pub struct Round<'a> {
    world: &'a World,
    doors: &'a Doors,
    number: usize,
    sequences: Vec<Vec<Request>>,
}

/// What a round adds to.
#[derive(Default)]
pub struct Notes {
    pub tally: Tally,
    pub findings: Vec<Finding>,
    pub questions: Questions,
}

#[derive(Clone, Copy, PartialEq)]
enum Run {
    Foreign,
    Ghost,
    Absent,
}

type Answers = Vec<Option<Answer>>;

/// Where two runs differed: lane, place in the sequence, which detector, and how.
type Difference = (usize, usize, Detector, String);

impl<'a> Round<'a> {
    /// `length` requests of each lane.
    pub fn new(
        world: &'a World,
        doors: &'a Doors,
        scene: &Scene<'_>,
        number: usize,
        length: usize,
    ) -> Self {
        let sequences = (0..LANES)
            .map(|lane| scene.sequence(number, lane, length))
            .collect();
        Self {
            world,
            doors,
            number,
            sequences,
        }
    }

    /// A difference is believed when it comes again `repeats` times.
    pub async fn play(&self, repeats: usize, notes: &mut Notes) -> Result<()> {
        let mut differences = self.runs(&(0..LANES).collect::<Vec<_>>(), 0, notes).await?;
        for turn in 1..=repeats {
            let mut lanes: Vec<usize> = differences.iter().map(|(lane, ..)| *lane).collect();
            lanes.dedup();
            if lanes.is_empty() {
                break;
            }
            let mut repeated = Notes::default();
            let again = self.runs(&lanes, turn, &mut repeated).await?;
            notes.tally.sent += repeated.tally.sent;
            let (came_again, chance) =
                differences
                    .into_iter()
                    .partition(|(lane, index, detector, _)| {
                        again
                            .iter()
                            .any(|(l, i, d, _)| (l, i, d) == (lane, index, detector))
                    });
            differences = came_again;
            notes
                .tally
                .unsteady
                .extend(chance.into_iter().map(|(lane, index, _, what)| {
                    let request = &self.sequences[lane][index];
                    format!("{} {}: {what}", request.method, request.target)
                }));
        }
        for (lane, index, detector, what) in differences {
            notes
                .findings
                .push(self.finding(detector, lane, index, what));
        }
        Ok(())
    }

    /// All three runs of some lanes.
    async fn runs(
        &self,
        lanes: &[usize],
        turn: usize,
        notes: &mut Notes,
    ) -> Result<Vec<Difference>> {
        let world = self.world;
        let present = try_join_all(lanes.iter().map(async |lane| {
            let foreign = self.run(*lane, turn, Run::Foreign).await?;
            anyhow::Ok((foreign, self.run(*lane, turn, Run::Ghost).await?))
        }))
        .await?;
        let changed = world.changed().await?;
        if !changed.is_empty() {
            notes.findings.extend(self.narrow(lanes, changed).await?);
        }
        world.hide_foreign().await?;
        let absent =
            try_join_all(lanes.iter().map(|lane| self.run(*lane, turn, Run::Absent))).await;
        // What they did meanwhile may stand in the way: a name that is free while its owner is gone.
        try_join_all(lanes.iter().map(|lane| world.put_back(*lane))).await?;
        world.show_foreign().await?;

        let mut differences = Vec::new();
        for ((lane, (foreign, ghost)), absent) in lanes.iter().zip(&present).zip(&absent?) {
            self.note(*lane, foreign, notes);
            notes.tally.count_sent([foreign, ghost, absent]);
            for (run, answers) in [(Run::Foreign, foreign), (Run::Ghost, ghost)] {
                notes.findings.extend(self.leaks(*lane, run, answers));
            }
            for (detector, other) in [(Detector::ToldApart, ghost), (Detector::Depends, absent)] {
                differences.extend(self.compare(*lane, detector, foreign, other, &mut notes.tally));
            }
        }
        differences.sort();
        Ok(differences)
    }

    async fn run(&self, lane: usize, turn: usize, run: Run) -> Result<Answers> {
        let world = self.world;
        // Rows that are put back lie where others were, and which of two comes first may be another one from run to run. Not in the same way in
        // each turn: rows are moved once more.
        for _ in 0..=turn % 3 {
            world.put_back(lane).await?;
        }
        let mut answers = Vec::new();
        for request in &self.sequences[lane] {
            let person = &world.lanes[lane].people[request.actor];
            let is_about_them = run == Run::Ghost && !world.secrets.said_by(request).is_empty();
            answers.push(match run {
                Run::Ghost if is_about_them => {
                    let ghost = request.ghost(&world.secrets);
                    Some(self.doors.send(&ghost, person).await)
                }
                // It changes nothing and would be word for word the same.
                Run::Ghost if request.is_read() => None,
                _ => Some(self.doors.send(request, person).await),
            });
        }
        Ok(answers)
    }
}
