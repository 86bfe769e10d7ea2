//! Workers claim, renew, and die.

use std::fmt::Write as _;

use rand::Rng;
use sqlx::postgres::PgRow;
use sqlx::{Row, query};
use uuid::Uuid;

use super::{Fleet, Outcome, Worker, sql_error};
use crate::fleet::model::{Claim, Counts, LEASE, OFFERED, Place, Taken, ensure};
use crate::stage::{tenant, workflow};

impl Fleet<'_> {
    pub(super) fn new_name(&mut self) -> String {
        self.names += 1;
        format!("w{}", self.names)
    }

    /// It forgets everything, and comes back as somebody else.
    pub(super) fn die(&mut self) -> Outcome {
        let worker = self.draw_worker();
        let name = self.new_name();
        self.note(format!("{} dies, {name} comes", self.workers[worker].name));
        self.workers[worker] = Worker {
            name,
            held: Vec::new(),
        };
        Ok(())
    }

    pub(super) async fn claim(&mut self, worker: usize, most: usize, kept: usize) -> Outcome {
        let name = self.workers[worker].name.clone();
        let mut held = Counts::new();
        for (index, _) in &self.workers[worker].held {
            let execution = &self.model.executions[*index];
            *held
                .entry((execution.tenant, execution.workflow))
                .or_default() += 1;
        }
        self.note(format!("{name} claims {most}, {kept} kept"));
        let rows = query(
            "select execution_id, fencing_token, cancel_requested, pause_requested,
                    array(select s ->> 'node_id' from jsonb_array_elements(coalesce(signals, '[]')) s) as signals
               from queue.claim($1, $2, make_interval(secs => $3), $4, $5, $6, $7)",
        )
        .bind(&name)
        .bind(i32::try_from(most).expect("it is small"))
        .bind(LEASE as f64)
        .bind(held.keys().map(|of| tenant(of.0)).collect::<Vec<_>>())
        .bind(held.keys().map(|of| workflow(of.1)).collect::<Vec<_>>())
        .bind(
            held.values()
                .map(|count| i32::try_from(*count).expect("it is small"))
                .collect::<Vec<_>>(),
        )
        .bind(i32::try_from(kept).expect("it is small"))
        .fetch_all(&mut *self.session)
        .await
        .map_err(sql_error)?;
        let taken: Vec<_> = rows.iter().map(taken).collect();
        let claim = Claim {
            worker: &name,
            most,
            kept,
            held: &held,
        };
        self.hold(worker, &taken)?;
        self.model.claimed(&claim, &taken)
    }

    /// It was told of some jobs, most of them new ones, and records what it found out.
    pub(super) async fn take(&mut self, worker: usize) -> Outcome {
        let name = self.workers[worker].name.clone();
        let mut offered = Vec::new();
        for _ in 0..self.random.random_range(1..=3) {
            let newest = self.model.executions.len().saturating_sub(4);
            let is_new = self.random.random_bool(0.9);
            let drawn = self.draw_execution_from(if is_new { newest } else { 0 });
            offered.extend(drawn.filter(|index| !offered.contains(index)));
        }
        // What was lost is said again without the others.
        let (to_be_had, lost): (Vec<_>, Vec<_>) = offered
            .into_iter()
            .partition(|index| self.model.is_for_the_first(*index));
        for some in [lost, to_be_had] {
            let entries: Vec<_> = (some.iter())
                .map(|index| self.draw_entry(*index, OFFERED))
                .collect();
            self.claims
                .extend(some.iter().map(|index| (name.clone(), *index, OFFERED)));
            if !entries.is_empty() {
                self.recorded = Some((name.clone(), entries.clone()));
                self.send(&name, &entries).await?;
            }
        }
        Ok(())
    }

    fn hold(&mut self, worker: usize, taken: &[Taken]) -> Outcome {
        let name = self.workers[worker].name.clone();
        let mut words = String::from("  it gets");
        for one in taken {
            let index = self.model.index(one.execution)?;
            let _ = write!(words, " #{index}/{}", one.token);
            // It may be one that it has lost without knowing.
            self.workers[worker].held.retain(|held| held.0 != index);
            self.workers[worker].held.push((index, one.token));
            self.claims.push((name.clone(), index, one.token));
        }
        self.log.push(words);
        Ok(())
    }

    pub(super) async fn renew(&mut self, worker: usize) -> Outcome {
        let name = self.workers[worker].name.clone();
        let held = self.workers[worker].held.clone();
        self.note(format!("{name} renews {held:?}"));
        let (tenants, executions, tokens) = self.keys(&held);
        let rows: Vec<(Uuid, bool, bool)> = sqlx::query_as(
            "select execution_id, cancel_requested, pause_requested from queue.renew($1, $2, $3, $4, make_interval(secs => $5))",
        )
        .bind(&name)
        .bind(tenants)
        .bind(executions)
        .bind(tokens)
        .bind(LEASE as f64)
        .fetch_all(&mut *self.session)
        .await
        .map_err(sql_error)?;
        self.model.heard_of(&name);
        let now = self.model.now;
        for (index, token) in held {
            let execution = &mut self.model.executions[index];
            let renewed = rows.iter().find(|row| row.0 == execution.id);
            let is_held = execution.is_held(&name, token);
            ensure!(
                renewed.is_some() == is_held,
                "#{index} with token {token}: renewed is {}",
                !is_held
            );
            if let (Some(asked), Place::Claimed { until, .. }) = (renewed, &mut execution.place) {
                *until = now + LEASE;
                ensure!(
                    (asked.1, asked.2) == (execution.cancel_requested, execution.pause_requested),
                    "#{index}: its worker does not learn what was asked for"
                );
            } else {
                self.workers[worker].held.retain(|one| one.0 != index);
            }
        }
        Ok(())
    }

    pub(super) fn keys(&self, held: &[(usize, i64)]) -> (Vec<Uuid>, Vec<Uuid>, Vec<i64>) {
        let of = |index: usize| &self.model.executions[index];
        (
            held.iter().map(|one| tenant(of(one.0).tenant)).collect(),
            held.iter().map(|one| of(one.0).id).collect(),
            held.iter().map(|one| one.1).collect(),
        )
    }
}

fn taken(row: &PgRow) -> Taken {
    Taken {
        execution: row.get(0),
        token: row.get(1),
        cancel_requested: row.get(2),
        pause_requested: row.get(3),
        signals: row.get(4),
    }
}
