//! Workers record what they found out: once, once more, or when it is not theirs any more.

use rand::Rng;
use sqlx::query_scalar;

use super::{Fleet, Outcome, sql_error};
use crate::fleet::model::{LEASE, OFFERED, Place, Wait, ensure};
use crate::stage::tenant;

/// What is recorded of one execution.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) index: usize,
    pub(super) token: i64,
    pub(super) status: &'static str,
    /// In so many seconds.
    pub(super) sleeps: Option<i64>,
    pub(super) ends: Vec<String>,
    pub(super) begins: Option<String>,
}

impl Fleet<'_> {
    pub(super) async fn record(&mut self) -> Outcome {
        let worker = self.draw_worker();
        let name = self.workers[worker].name.clone();
        let mut entries = Vec::new();
        for (index, token) in self.workers[worker].held.clone() {
            if self.random.random_bool(0.5) {
                entries.push(self.draw_entry(index, token));
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.recorded = Some((name.clone(), entries.clone()));
        self.send(&name, &entries).await?;
        if self.random.random_bool(0.3) {
            // As a worker does when it has room again.
            self.claim(worker, entries.len(), 0).await?;
        }
        Ok(())
    }

    pub(super) fn draw_entry(&mut self, index: usize, token: i64) -> Entry {
        // What came and what was asked a moment ago its worker has not seen yet.
        let has_seen = self.random.random_bool(0.5);
        let execution = &self.model.executions[index];
        let status = match self.random.random_range(0..100) {
            _ if has_seen && execution.cancel_requested => "cancelled",
            _ if has_seen && execution.pause_requested => "paused",
            0..20 => "running",
            20..55 => "waiting",
            55..90 => "succeeded",
            _ => "failed",
        };
        let sleeps =
            [None, Some(-1), Some(700), Some(2_200), Some(9_700)][self.random.random_range(0..5)];
        let begins = self
            .random
            .random_bool(0.5)
            .then(|| format!("n{}", self.log.len()));
        Entry {
            index,
            token,
            status,
            sleeps: sleeps.filter(|_| status == "waiting"),
            ends: execution
                .waits
                .iter()
                .filter(|wait| wait.is_delivered && has_seen)
                .map(|wait| wait.node.clone())
                .collect(),
            begins: begins.filter(|_| status == "waiting"),
        }
    }

    /// The answer was lost, so the worker says it again.
    pub(super) async fn record_again(&mut self) -> Outcome {
        let Some((name, entries)) = self.recorded.take() else {
            return Ok(());
        };
        let mut before = Vec::new();
        for entry in &entries {
            before.push(self.snapshot(entry.index).await?);
        }
        self.send(&name, &entries).await?;
        for (entry, before) in entries.iter().zip(before) {
            let after = self.snapshot(entry.index).await?;
            ensure!(
                after == before,
                "#{}: said again, it made {before} into {after}",
                entry.index
            );
        }
        Ok(())
    }

    /// A claim of any time, of a worker that may be dead, and sometimes by somebody else.
    pub(super) async fn record_something_old(&mut self) -> Outcome {
        let Some(claim) = self.draw_below(self.claims.len()) else {
            return Ok(());
        };
        let (mut name, index, token) = self.claims[claim].clone();
        if self.random.random_bool(0.2) {
            let worker = self.draw_worker();
            name.clone_from(&self.workers[worker].name);
        }
        let entry = self.draw_entry(index, token);
        self.send(&name, &[entry]).await
    }

    pub(super) async fn send(&mut self, name: &str, entries: &[Entry]) -> Outcome {
        self.note(format!("{name} records {entries:?}"));
        let takes: Vec<_> = entries
            .iter()
            .map(|entry| entry.token == OFFERED && self.model.is_for_the_first(entry.index))
            .collect();
        let expected: Vec<_> = (entries.iter().zip(&takes))
            .map(|(entry, takes)| {
                *takes || self.model.executions[entry.index].is_held(name, entry.token)
            })
            .collect();
        let all_held = !expected.contains(&false);
        let mut before = Vec::new();
        if !all_held {
            for entry in entries {
                before.push(self.snapshot(entry.index).await?);
            }
        }
        let told = self.write(name, entries).await?;
        ensure!(
            told.iter().map(|told| told.0).eq(expected.iter().copied()),
            "held is {told:?}, and should be {expected:?}"
        );
        ensure!(
            told.iter().all(|told| told.1 == all_held),
            "written is {told:?}, and should be {all_held}"
        );
        for (entry, before) in entries.iter().zip(before) {
            let after = self.snapshot(entry.index).await?;
            ensure!(
                after == before,
                "#{}: a refused record made {before} into {after}",
                entry.index
            );
        }
        for ((entry, is_held), takes) in entries.iter().zip(expected).zip(takes) {
            if all_held {
                if takes && entry.status == "running" {
                    self.taken(name, entry);
                }
                self.recorded(entry);
            }
            if !is_held || (all_held && entry.status != "running") {
                for worker in self.workers.iter_mut().filter(|worker| worker.name == name) {
                    worker.held.retain(|one| *one != (entry.index, entry.token));
                }
            }
        }
        Ok(())
    }

    /// It goes on with what it was offered.
    fn taken(&mut self, name: &str, entry: &Entry) {
        self.model.taken(name, entry.index);
        for worker in self.workers.iter_mut().filter(|worker| worker.name == name) {
            worker.held.retain(|held| held.0 != entry.index);
            worker.held.push((entry.index, entry.token));
        }
    }

    pub(super) async fn write(
        &mut self,
        name: &str,
        entries: &[Entry],
    ) -> Result<Vec<(bool, bool)>, String> {
        let held: Vec<_> = entries
            .iter()
            .map(|entry| (entry.index, entry.token))
            .collect();
        let (tenants, executions, tokens) = self.keys(&held);
        let mut counts = Vec::new();
        let (mut step_of, mut nodes, mut statuses) = (Vec::new(), Vec::new(), Vec::new());
        for (position, entry) in (1_i32..).zip(entries) {
            let steps = (entry.ends.iter().map(|node| (node, "succeeded")))
                .chain(entry.begins.iter().map(|node| (node, "waiting")));
            let before = nodes.len();
            for (node, status) in steps {
                step_of.push(position);
                nodes.push(node.clone());
                statuses.push(status);
            }
            counts.push(i32::try_from(nodes.len() - before).expect("it is small"));
        }
        sqlx::query_as(RECORD)
            .bind(name)
            .bind(tenants)
            .bind(executions)
            .bind(tokens)
            .bind(entries.iter().map(|entry| entry.status).collect::<Vec<_>>())
            .bind(
                entries
                    .iter()
                    .map(|entry| entry.sleeps.map(|seconds| seconds as f64))
                    .collect::<Vec<_>>(),
            )
            .bind(counts)
            .bind(step_of)
            .bind(nodes)
            .bind(statuses)
            .bind(LEASE as f64)
            .fetch_all(&mut *self.session)
            .await
            .map_err(sql_error)
    }

    pub(super) fn recorded(&mut self, entry: &Entry) {
        let (now, statement) = (self.model.now, self.model.statement);
        let execution = &mut self.model.executions[entry.index];
        execution.has_begun = true;
        execution
            .waits
            .retain(|wait| !entry.ends.contains(&wait.node));
        if let Some(node) = &entry.begins
            && !execution.waits.iter().any(|wait| wait.node == *node)
        {
            execution.waits.push(Wait {
                node: node.clone(),
                is_delivered: false,
            });
            execution
                .waits
                .sort_by(|one, other| one.node.cmp(&other.node));
        }
        match entry.status {
            "running" => return,
            "waiting" | "paused" => {
                let is_due = execution.cancel_requested
                    || entry.status == "waiting"
                        && (execution.is_woken || entry.sleeps.is_some_and(|seconds| seconds <= 0));
                execution.place = match entry.status {
                    _ if is_due => Place::Ready(statement),
                    "paused" => Place::Paused,
                    _ => Place::Waiting(entry.sleeps.map(|seconds| now + seconds)),
                };
            }
            ended => {
                execution.waits.clear();
                execution.place = Place::Ended(ended);
            }
        }
        execution.is_woken = false;
        if entry.status == "paused" {
            execution.pause_requested = false;
        }
    }

    /// Everything that is kept of an execution, but for the numbers that only order what changes.
    pub(super) async fn snapshot(&mut self, index: usize) -> Result<String, String> {
        let execution = &self.model.executions[index];
        query_scalar(
            "select concat_ws(E'\\n', to_jsonb(e) - 'revision',
                      (select to_jsonb(j) from queue.jobs j where j.tenant_id = $1 and j.execution_id = $2),
                      (select jsonb_agg(to_jsonb(s) - 'revision' order by s.node_id) from public.execution_steps s where s.tenant_id = $1 and s.execution_id = $2),
                      (select jsonb_agg(to_jsonb(w) order by w.node_id) from queue.waits w where w.tenant_id = $1 and w.execution_id = $2))
               from public.executions e where e.tenant_id = $1 and e.id = $2",
        )
        .bind(tenant(execution.tenant))
        .bind(execution.id)
        .fetch_one(&mut *self.session)
        .await
        .map_err(sql_error)
    }
}

/// `queue.record` of many executions. Every step waits for an event, or has got it.
const RECORD: &str = "
  select held, written from queue.record(
    $1, make_interval(secs => $11), $2, $3, $4, $5, array(select clock_timestamp() + make_interval(secs => s) from unnest($6::float8[]) with ordinality x (s, n) order by n),
    array(select case when s = 'succeeded' then '{}'::jsonb end from unnest($5::text[]) with ordinality x (s, n) order by n),
    array(select case when s = 'failed' then '{\"code\": \"failed\", \"message\": \"it failed\"}'::jsonb end
            from unnest($5::text[]) with ordinality x (s, n) order by n),
    array_fill(now(), array[cardinality($2)]), $7,
    $8, $9::text[], array_fill(-1, array[cardinality($9)]), array_fill(null::text, array[cardinality($9)]),
    array_fill('wait_for_event'::text, array[cardinality($9)]), $10, array_fill(1, array[cardinality($9)]),
    array_fill(null::text, array[cardinality($9)]),
    array_fill(null::jsonb, array[cardinality($9)]), array_fill(null::jsonb, array[cardinality($9)]), array_fill(null::jsonb, array[cardinality($9)]),
    array_fill(null::timestamptz, array[cardinality($9)]), array_fill(null::timestamptz, array[cardinality($9)]),
    array(select case when s = 'succeeded' then now() end from unnest($10::text[]) with ordinality x (s, n) order by n),
    array(select case when s = 'waiting' then '{\"wait\": {\"kind\": \"event\", \"name\": \"paid\"}}'::jsonb end
            from unnest($10::text[]) with ordinality x (s, n) order by n))";
