//! The end of a seed: whatever happened, once nothing stands in the way any more, everything ends.

use sqlx::{query, query_scalar};
use uuid::Uuid;

use super::records::Entry;
use super::{Fleet, Outcome, sql_error};
use crate::fleet::model::{Place, TICK, ensure};
use crate::stage::tenant;

impl Fleet<'_> {
    /// Whatever happened: once nothing stands in the way any more, everything ends.
    pub(super) async fn drain(&mut self) -> Outcome {
        for number in self.model.tenants.keys().copied().collect::<Vec<_>>() {
            let drawn = self.model.tenants.get_mut(&number).expect("it is drawn");
            drawn.is_active = true;
            drawn.cap = None;
            drawn.workflow_caps.values_mut().for_each(|cap| *cap = None);
            self.write_tenant(number).await?;
        }
        for index in 0..self.model.executions.len() {
            if self.model.executions[index].place == Place::Paused {
                self.resume_one(index).await?;
            }
            if self.model.executions[index].place == Place::Waiting(None) {
                let execution = &self.model.executions[index];
                let (of, id) = (execution.tenant, execution.id);
                self.note(format!("wake #{index}"));
                query("select queue.wake($1, $2)")
                    .bind(tenant(of))
                    .bind(id)
                    .execute(&mut *self.session)
                    .await
                    .map_err(sql_error)?;
                self.model.executions[index].wake(self.model.statement);
            }
        }
        self.pass(20 * TICK).await?;
        for worker in 0..self.workers.len() {
            self.claim(worker, 40, 0).await?;
            let held = self.workers[worker].held.clone();
            let mut entries = Vec::new();
            for (index, token) in held {
                let mut entry = self.draw_entry(index, token);
                entry.status = "succeeded";
                entry.sleeps = None;
                entry.begins = None;
                if self.model.executions[index].is_held(&self.workers[worker].name, token) {
                    entries.push(entry);
                }
            }
            let name = self.workers[worker].name.clone();
            self.workers[worker].held.clear();
            if !entries.is_empty() {
                self.send(&name, &entries).await?;
            }
        }
        // The first again, with room for all that is left.
        self.claim(0, 1000, 0).await?;
        let held = std::mem::take(&mut self.workers[0].held);
        let name = self.workers[0].name.clone();
        let entries: Vec<_> = held
            .into_iter()
            .map(|(index, token)| Entry {
                status: "succeeded",
                sleeps: None,
                begins: None,
                ..self.draw_entry(index, token)
            })
            .collect();
        if !entries.is_empty() {
            self.send(&name, &entries).await?;
        }
        self.everything_has_ended().await
    }

    pub(super) async fn everything_has_ended(&mut self) -> Outcome {
        let left: i64 = query_scalar("select count(*) from queue.jobs")
            .fetch_one(&mut *self.session)
            .await
            .map_err(sql_error)?;
        ensure!(left == 0, "{left} jobs are left");
        let ids: Vec<_> = self
            .model
            .executions
            .iter()
            .map(|execution| execution.id)
            .collect();
        let ended: Vec<(Uuid, String)> = sqlx::query_as(
            "select id, status from public.executions where id = any ($1) and finished_at is not null",
        )
        .bind(&ids)
        .fetch_all(&mut *self.session)
        .await
        .map_err(sql_error)?;
        ensure!(
            ended.len() == ids.len(),
            "{} of {} have ended",
            ended.len(),
            ids.len()
        );
        for (id, status) in ended {
            let index = self.model.index(id)?;
            let expected = &self.model.executions[index].place;
            ensure!(
                matches!(expected, Place::Ended(how) if *how == status),
                "#{index} has ended as {status}, and should be {expected:?}"
            );
        }
        Ok(())
    }
}
