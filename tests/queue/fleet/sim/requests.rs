//! What people ask for, and what comes from outside.

use rand::Rng;
use sqlx::{query, query_scalar};
use uuid::Uuid;

use super::{Fleet, Outcome, PRIORITIES, WORKFLOWS, sql_error};
use crate::fleet::model::{Execution, Place, ensure};
use crate::stage::{tenant, workflow};

impl Fleet<'_> {
    pub(super) fn draw_cap(&mut self) -> Option<i64> {
        self.random
            .random_bool(0.6)
            .then(|| self.random.random_range(1..=6))
    }

    pub(super) async fn write_tenant(&mut self, number: u32) -> Outcome {
        let drawn = &self.model.tenants[&number];
        query(
            "with of_tenant as (
               update public.tenants set status = $2, limit_overrides = jsonb_build_object('concurrent_executions', $3::bigint) where id = $1
             )
             update public.workflows w set max_concurrency = x.cap
               from unnest($4::uuid[], $5::integer[]) x (id, cap) where w.tenant_id = $1 and w.id = x.id",
        )
        .bind(tenant(number))
        .bind(if drawn.is_active { "active" } else { "suspended" })
        .bind(drawn.cap)
        .bind(WORKFLOWS.map(workflow).as_slice())
        .bind(
            drawn
                .workflow_caps
                .values()
                .map(|cap| cap.map(|cap| i32::try_from(cap).expect("a cap is small")))
                .collect::<Vec<_>>(),
        )
        .execute(&mut *self.session)
        .await
        .map_err(sql_error)?;
        Ok(())
    }

    /// Suspended or active again, and other caps where there are some: of what has none, workers do not say how many they hold.
    pub(super) async fn change_tenant(&mut self) -> Outcome {
        let number = self.draw_tenant();
        let cap = self.random.random_range(1..=3);
        let drawn = self.model.tenants.get_mut(&number).expect("it is drawn");
        if self.random.random_bool(0.5) {
            drawn.is_active = !drawn.is_active;
        } else {
            drawn.cap = Some(cap);
        }
        let words = format!("tenant {number} becomes {drawn:?}");
        self.note(words);
        self.write_tenant(number).await
    }

    pub(super) async fn enqueue(&mut self) -> Outcome {
        let of = self.draw_tenant();
        let in_workflow = WORKFLOWS[self.random.random_range(0..WORKFLOWS.len())];
        let priority = PRIORITIES[self.random.random_range(0..PRIORITIES.len())];
        for _ in 0..self.random.random_range(1..=3) {
            let id: Uuid = query_scalar(
                "select (private.enqueue_execution(w, '{}', null, null, 'manual', priority => $3)).id
                   from public.workflows w where w.tenant_id = $1 and w.id = $2",
            )
            .bind(tenant(of))
            .bind(workflow(in_workflow))
            .bind(priority)
            .fetch_one(&mut *self.session)
            .await
            .map_err(sql_error)?;
            self.note(format!(
                "enqueue #{} for tenant {of}, workflow {in_workflow}, priority {priority}",
                self.model.executions.len()
            ));
            self.model.add(id, of, in_workflow, priority);
        }
        Ok(())
    }

    pub(super) async fn wake_or_deliver(&mut self) -> Outcome {
        // Mostly one that something may come for.
        let any = self.random.random_bool(0.3);
        let Some(index) = self.draw_execution(|execution| {
            is_open(execution)
                && (any || !execution.waits.is_empty() || execution.place == Place::Waiting(None))
        }) else {
            return Ok(());
        };
        let execution = &self.model.executions[index];
        let (of, id) = (tenant(execution.tenant), execution.id);
        let Some(wait) = self.draw_below(execution.waits.len()) else {
            self.note(format!("wake #{index}"));
            query("select queue.wake($1, $2)")
                .bind(of)
                .bind(id)
                .execute(&mut *self.session)
                .await
                .map_err(sql_error)?;
            self.model.executions[index].wake(self.model.statement);
            return Ok(());
        };
        let node = self.model.executions[index].waits[wait].node.clone();
        self.note(format!("deliver to {node} of #{index}"));
        let was_delivered: bool = query_scalar("select queue.deliver($1, $2, $3, -1, '{}')")
            .bind(of)
            .bind(id)
            .bind(&node)
            .fetch_one(&mut *self.session)
            .await
            .map_err(sql_error)?;
        let statement = self.model.statement;
        let execution = &mut self.model.executions[index];
        ensure!(
            was_delivered != execution.waits[wait].is_delivered,
            "#{index}: delivered to {node} is {was_delivered}"
        );
        if was_delivered {
            execution.waits[wait].is_delivered = true;
            execution.wake(statement);
        }
        Ok(())
    }

    pub(super) async fn cancel(&mut self) -> Outcome {
        let Some(index) = self.draw_execution(is_open) else {
            return Ok(());
        };
        self.note(format!("cancel #{index}"));
        self.ask("private.cancel_execution", index).await?;
        let now = self.model.now;
        let execution = &mut self.model.executions[index];
        match execution.place {
            Place::Claimed { until, .. } if until > now => execution.cancel_requested = true,
            _ => {
                execution.waits.clear();
                execution.place = Place::Ended("cancelled");
            }
        }
        Ok(())
    }

    pub(super) async fn pause(&mut self) -> Outcome {
        let Some(index) = self.draw_execution(is_open) else {
            return Ok(());
        };
        self.note(format!("pause #{index}"));
        self.ask("private.pause_execution", index).await?;
        let now = self.model.now;
        let execution = &mut self.model.executions[index];
        match execution.place {
            Place::Claimed { until, .. } if until > now => execution.pause_requested = true,
            Place::Paused => {}
            _ => {
                execution.place = Place::Paused;
                execution.pause_requested = false;
            }
        }
        Ok(())
    }

    pub(super) async fn resume(&mut self) -> Outcome {
        let Some(index) = self.draw_execution(|execution| execution.place == Place::Paused) else {
            return Ok(());
        };
        self.resume_one(index).await
    }

    pub(super) async fn resume_one(&mut self, index: usize) -> Outcome {
        self.note(format!("resume #{index}"));
        self.ask("private.resume_execution", index).await?;
        let statement = self.model.statement;
        let execution = &mut self.model.executions[index];
        execution.place = Place::Ready(statement);
        execution.pause_requested = false;
        Ok(())
    }

    pub(super) async fn ask(&mut self, function: &'static str, index: usize) -> Outcome {
        let id = self.model.executions[index].id;
        let statement = match function {
            "private.cancel_execution" => "select (private.cancel_execution($1)).id",
            "private.pause_execution" => "select (private.pause_execution($1)).id",
            _ => "select (private.resume_execution($1)).id",
        };
        query(statement)
            .bind(id)
            .execute(&mut *self.session)
            .await
            .map_err(sql_error)?;
        Ok(())
    }
}

fn is_open(execution: &Execution) -> bool {
    !matches!(execution.place, Place::Ended(_))
}
