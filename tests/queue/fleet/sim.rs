//! A fleet, drawn from a seed: every operation goes to the database and to the model, and both have to say the same.

mod drain;
mod records;
mod requests;
mod workers;

use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::postgres::PgConnection;
use sqlx::query;

use self::records::Entry;
use super::model::{Execution, Model, TICK, Tenant};
use crate::stage::tenant;

const OPERATIONS: usize = 150;
const PRIORITIES: [i32; 4] = [0, 0, 5, -3];
const WORKFLOWS: [u32; 2] = [1, 2];

type Outcome = Result<(), String>;

struct Worker {
    name: String,
    held: Vec<(usize, i64)>,
}

pub struct Fleet<'a> {
    session: &'a mut PgConnection,
    random: StdRng,
    model: Model,
    workers: Vec<Worker>,
    names: u32,
    /// Every claim there ever was: some of these workers are long dead, or only believed to be.
    claims: Vec<(String, usize, i64)>,
    recorded: Option<(String, Vec<Entry>)>,
    moved: Instant,
    pub log: Vec<String>,
}

fn sql_error(error: sqlx::Error) -> String {
    format!("the database says: {error}")
}

impl<'a> Fleet<'a> {
    pub async fn draw(session: &'a mut PgConnection, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        sqlx::raw_sql(
            "delete from queue.jobs; delete from queue.waits; delete from queue.lanes; delete from queue.workers;
             update queue.state set timers_to = '-infinity', leases_to = '-infinity', looked_everywhere_at = '-infinity', turn = 0, turn_lately = 0;
             update queue.tenants set turn = 0",
        )
        .execute(&mut *session)
        .await
        .unwrap();
        // What a claim decides by chance is decided by the seed.
        query("select setseed($1)")
            .bind(random.random_range(-1.0..1.0_f64))
            .execute(&mut *session)
            .await
            .unwrap();
        let mut fleet = Self {
            session,
            random,
            model: Model::default(),
            workers: Vec::new(),
            names: 0,
            claims: Vec::new(),
            recorded: None,
            moved: Instant::now(),
            log: Vec::new(),
        };
        for number in 1..=fleet.random.random_range(1..=4) {
            let drawn = Tenant {
                is_active: true,
                cap: fleet.draw_cap(),
                workflow_caps: WORKFLOWS
                    .into_iter()
                    .map(|workflow| (workflow, fleet.draw_cap()))
                    .collect(),
            };
            fleet.model.tenants.insert(number, drawn);
            fleet.write_tenant(number).await.unwrap();
            query("update queue.tenants set weight = $2 where tenant_id = $1")
                .bind(tenant(number))
                .bind(fleet.random.random_range(1..=8))
                .execute(&mut *fleet.session)
                .await
                .unwrap();
        }
        for _ in 0..fleet.random.random_range(2..=5) {
            let name = fleet.new_name();
            fleet.workers.push(Worker {
                name,
                held: Vec::new(),
            });
        }
        fleet
    }

    pub async fn run(&mut self) -> Outcome {
        for _ in 0..OPERATIONS {
            self.operate().await?;
        }
        self.drain().await
    }

    async fn operate(&mut self) -> Outcome {
        match self.random.random_range(0..100) {
            0..18 => self.enqueue().await,
            18..24 => {
                let worker = self.draw_worker();
                self.take(worker).await
            }
            24..46 => {
                let worker = self.draw_worker();
                let most = self.random.random_range(1..=8);
                let kept = [0, 0, 0, most, self.random.random_range(0..=most)]
                    [self.random.random_range(0..5)];
                self.claim(worker, most, kept).await
            }
            46..66 => self.record().await,
            66..69 => self.record_again().await,
            69..73 => self.record_something_old().await,
            73..79 => {
                let worker = self.draw_worker();
                self.renew(worker).await
            }
            79..81 => self.die(),
            81..87 => self.wake_or_deliver().await,
            87..90 => self.cancel().await,
            90..92 => self.pause().await,
            92..94 => self.resume().await,
            94..97 => self.change_tenant().await,
            _ => {
                let ticks = self.random.random_range(1..=4);
                self.pass(ticks * TICK).await
            }
        }
    }

    /// Moves the clock: every time that the queue has written down was so much longer ago. What really went by since the last move is a part of it.
    async fn pass(&mut self, seconds: i64) -> Outcome {
        self.note(format!("{seconds} s pass"));
        let really = self.moved.elapsed().as_secs_f64();
        self.moved = Instant::now();
        self.model.now += seconds;
        query(
            "with time as (select make_interval(secs => $1) as gone),
             jobs as (update queue.jobs j set run_at = j.run_at - t.gone from time t where j.run_at is not null),
             workers as (update queue.workers w set seen_at = w.seen_at - t.gone from time t),
             lanes as (update queue.lanes l set busy_at = l.busy_at - t.gone from time t)
             update queue.state s
                set timers_to = s.timers_to - t.gone, leases_to = s.leases_to - t.gone,
                    looked_everywhere_at = s.looked_everywhere_at - t.gone, turn_noted_at = s.turn_noted_at - t.gone
               from time t",
        )
        .bind(seconds as f64 - really)
        .execute(&mut *self.session)
        .await
        .map_err(sql_error)?;
        Ok(())
    }

    fn note(&mut self, words: String) {
        self.model.statement += 1;
        self.log.push(format!("{:>4} s  {words}", self.model.now));
    }

    fn draw_worker(&mut self) -> usize {
        self.random.random_range(0..self.workers.len())
    }

    fn draw_tenant(&mut self) -> u32 {
        let count = u32::try_from(self.model.tenants.len()).expect("there are few");
        self.random.random_range(1..=count)
    }

    fn draw_below(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.random.random_range(0..count))
    }

    /// One that was enqueued as this one or later.
    fn draw_execution_from(&mut self, first: usize) -> Option<usize> {
        let drawn = self.draw_below(self.model.executions.len() - first);
        drawn.map(|drawn| first + drawn)
    }

    fn draw_execution(&mut self, wanted: impl Fn(&Execution) -> bool) -> Option<usize> {
        let all: Vec<_> = (0..self.model.executions.len())
            .filter(|index| wanted(&self.model.executions[*index]))
            .collect();
        self.draw_below(all.len()).map(|drawn| all[drawn])
    }
}
