//! A run: rounds until all requests are asked, then the times, then the report.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Stack;
use crate::catalogue::Catalogue;
use crate::door::Doors;
use crate::generate::Scene;
use crate::pools::Pools;
use crate::report::Report;
use crate::round::{Finding, Notes, Round};
use crate::timing::{Questions, Timing};
use crate::world::{LANES, World};

/// How much is asked, and how thoroughly.
#[derive(Clone, Copy)]
pub struct Effort {
    /// In all.
    pub requests: usize,
    /// Of one lane in one round.
    pub length: usize,
    /// How often a difference has to come again to be believed.
    pub repeats: usize,
}

/// Requests of one lane in one round: long enough for one to build on another, short enough that few are spent after a tenant was wrecked.
const LENGTH: usize = 60;

/// Chance is not that stubborn: which of two rows a statement meets first, and says in its error, is no part of its meaning.
const REPEATS: usize = 4;

/// Nobody reads more than so many, and each costs a search for the request that did it.
const ENOUGH: usize = 100;

pub struct Session {
    pub world: World,
    doors: Doors,
    catalogue: Catalogue,
    pools: Pools,
    seed: u64,
    /// The one that was asked for; all when none was.
    round: Option<usize>,
    /// What was asked for by name; everything when empty.
    only: Vec<String>,
}

pub struct Outcome {
    pub notes: Notes,
    pub elapsed: Duration,
    /// Whether enough was found before all was asked.
    pub stopped: bool,
}

impl Session {
    pub async fn open(
        stack: &Stack,
        seed: u64,
        round: Option<usize>,
        only: Vec<String>,
    ) -> Result<Self> {
        let doors = Doors::new(&stack.api_url, &stack.edge_url, &stack.publishable_key)?;
        let world = World::make(&stack.database_url, &stack.jwt_secret).await?;
        let catalogue = Catalogue::read(&world.database, &doors.openapi().await?).await?;
        let pools = Pools::read(&world.database, &catalogue, &world.owners).await?;
        doors.warm_up(&world.lanes[0].people).await?;
        Ok(Self {
            world,
            doors,
            catalogue,
            pools,
            seed,
            round,
            only,
        })
    }

    pub async fn close(self) -> Result<()> {
        self.world.unmake().await
    }

    /// Whether nothing was found.
    pub async fn fuzz(&self, requests: usize, codes: bool) -> Result<bool> {
        println!(
            "seed {}: {requests} requests to {} tables and views, {} functions and {} routes",
            self.seed,
            self.catalogue.relations.len(),
            self.catalogue.functions.len(),
            self.catalogue.routes.len()
        );
        let only: Vec<&str> = self.only.iter().map(String::as_str).collect();
        let effort = Effort {
            requests,
            length: LENGTH,
            repeats: REPEATS,
        };
        let outcome = self
            .rounds(effort, &only, |findings| findings.len() >= ENOUGH)
            .await?;
        let notes = &outcome.notes;
        let timings = self.times(&notes.questions, requests).await?;
        let report = Report {
            seed: self.seed,
            requests,
            tally: &notes.tally,
            findings: &notes.findings,
            timings: &timings,
            elapsed: outcome.elapsed,
            stopped: outcome.stopped,
            codes,
        };
        println!("{}", report.print());
        let share = notes.tally.share_answered();
        ensure!(
            share > 0.2,
            "only {:.0} % of the requests were answered with what they asked for: so few prove nothing",
            share * 100.0
        );
        Ok(notes.findings.is_empty())
    }

    /// Asks until so many requests were asked: of the whole catalogue, or of what is named. Stops before when enough was found.
    pub async fn rounds(
        &self,
        effort: Effort,
        only: &[&str],
        enough: impl Fn(&[Finding]) -> bool,
    ) -> Result<Outcome> {
        let narrowed;
        let catalogue = match only {
            [] => &self.catalogue,
            names => {
                narrowed = self.catalogue.only(names)?;
                &narrowed
            }
        };
        let scene = Scene {
            catalogue,
            pools: &self.pools,
            lanes: &self.world.lanes,
            secrets: &self.world.secrets,
            seed: self.seed,
        };
        let length = effort.requests.div_ceil(LANES).min(effort.length);
        let rounds = effort.requests.div_ceil(LANES * length);
        let started = Instant::now();
        let mut said = Instant::now();
        let mut notes = Notes::default();
        let mut stopped = false;
        for number in (0..rounds).filter(|number| self.round.is_none_or(|only| only == *number)) {
            let round = Round::new(&self.world, &self.doors, &scene, number, length);
            round.play(effort.repeats, &mut notes).await?;
            stopped = enough(&notes.findings);
            if stopped {
                break;
            }
            if said.elapsed() > Duration::from_secs(15) {
                eprintln!(
                    "  round {} of {rounds}: {} requests, {} findings",
                    number + 1,
                    notes.tally.requests(),
                    notes.findings.len()
                );
                said = Instant::now();
            }
        }
        Ok(Outcome {
            notes,
            elapsed: started.elapsed(),
            stopped,
        })
    }

    /// A short run asks few questions a few times, a long one more.
    async fn times(&self, questions: &Questions, requests: usize) -> Result<Vec<Timing>> {
        let (most, pairs) = if requests < 5000 { (6, 10) } else { (40, 60) };
        questions.ask(&self.world, &self.doors, most, pairs).await
    }
}
