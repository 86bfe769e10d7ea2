//! One cell of the matrix: a player, a table, a verb, and the rows of one tenant. Each verb answers what went otherwise than expected.

mod update;
mod upsert;

use serde_json::Value;
use tests::world::Tenant;
use uuid::Uuid;

use crate::expected::{Reach, any_of};
use crate::outcome::Outcome;
use crate::stage::Stage;
use crate::tables::Table;

/// Whose rows are looked at, and what is open to the player.
pub struct Cell<'a> {
    pub table: &'a Table,
    pub tenant: Tenant,
    /// Those about whom a row of public.users may be.
    pub people: &'a [Uuid],
    /// Whether there are rows beyond the tenant's that are not the player's.
    pub is_foreign: bool,
    pub select: &'a [Reach],
    pub insert: &'a [Reach],
    pub update: &'a [Reach],
    pub delete: &'a [Reach],
    /// A row of the tenant, and one that could stand beside it.
    pub row: &'a Value,
    pub copy: &'a Value,
}

/// Whether the cell is open, and what went wrong.
pub type Played = (bool, Vec<String>);

impl Cell<'_> {
    fn name(&self) -> &str {
        &self.table.name
    }

    /// The rows of the tenant.
    pub fn scope(&self) -> String {
        self.table.rows_of(self.tenant, self.people)
    }

    /// Those of them that are written.
    fn written(&self) -> String {
        format!("{} and {}", self.scope(), self.table.written())
    }

    pub async fn select(&self, stage: &mut Stage<'_>) -> Played {
        let name = self.name();
        let open = any_of(self.select);
        let is_open = stage
            .count(name, &format!("{} and {open}", self.scope()))
            .await
            > 0;
        let mut wrong = Vec::new();
        // Of the tenant, and without a filter: then there are no other rows than those that are open.
        for scope in [self.scope(), "true".to_owned()] {
            let query = |condition: &str| {
                format!("select md5(t::text) from public.{name} t where {condition} order by 1")
            };
            let wanted = stage.rows(&query(&format!("{scope} and {open}"))).await;
            match stage.seen(&query(&scope)).await {
                Ok(seen) if seen.clone().unwrap_or_default() == wanted => {}
                Ok(seen) => wrong.push(format!(
                    "sees {:?} rows of {} where {scope}",
                    seen.map(|rows| rows.len()),
                    wanted.len()
                )),
                Err(error) => wrong.push(error),
            }
        }
        (is_open, wrong)
    }

    pub async fn insert(&self, stage: &mut Stage<'_>) -> Played {
        let is_open = self.insert.iter().any(|reach| reach.takes_in(self.tenant));
        let outcome = stage.attempt(&self.insertion(self.copy)).await;
        let mut wrong = Vec::new();
        if is_open != (outcome == Outcome::Touched(1)) || !(is_open || outcome.is_refused()) {
            wrong.push(format!("{outcome:?}"));
        }
        self.leave_others_alone(stage, &outcome, &mut wrong).await;
        stage.undo();
        (is_open, wrong)
    }

    fn insertion(&self, row: &Value) -> String {
        let name = self.name();
        let row = row.to_string().replace('\'', "''");
        format!(
            "insert into public.{name} select * from jsonb_populate_record(null::public.{name}, '{row}')"
        )
    }

    pub async fn delete(&self, stage: &mut Stage<'_>) -> Played {
        let name = self.name();
        let open = any_of(self.delete);
        let is_open = stage
            .count(name, &format!("{} and {open}", self.written()))
            .await
            > 0;
        let filter = self.filter(stage, &open).await;
        let deleted = format!("{filter} and {open}");
        let wanted = stage.count(name, &deleted).await;
        let statement = format!("delete from public.{name}");
        let mut wrong = Vec::new();
        let outcome = stage
            .attempt(&format!("{statement}{}", clause(&filter)))
            .await;
        let is_right = if is_open {
            outcome == Outcome::Touched(wanted) && stage.count_now(name, &deleted).await == 0
        } else {
            outcome.is_nothing()
        };
        if !is_right {
            wrong.push(format!("{outcome:?} of {wanted}"));
        }
        self.leave_others_alone(stage, &outcome, &mut wrong).await;
        stage.undo();
        self.play_exceptions(stage, self.delete, &statement, &mut wrong)
            .await;
        self.play_without_filter(stage, &open, &statement, &mut wrong)
            .await;
        (is_open, wrong)
    }

    /// The condition that a write is filtered by. A filter reads: who writes a row and does not see it, writes without one.
    async fn filter(&self, stage: &mut Stage<'_>, open: &str) -> String {
        let scope = self.written();
        let unseen = format!("{scope} and {open} and not {}", any_of(self.select));
        match stage.count(self.name(), &unseen).await {
            0 => scope,
            _ => "true".to_owned(),
        }
    }

    /// Rows that a cell leaves out by `, not …` stay as they are.
    async fn play_exceptions(
        &self,
        stage: &mut Stage<'_>,
        reach: &[Reach],
        statement: &str,
        wrong: &mut Vec<String>,
    ) {
        let exceptions: Vec<_> = reach
            .iter()
            .filter_map(|reach| reach.cell.unless.as_deref())
            .collect();
        for unless in exceptions {
            let filter = format!("{} and {unless}", self.scope());
            if stage.count(self.name(), &filter).await == 0 {
                wrong.push(format!(
                    "there is no row that is {unless}, so nothing is proven"
                ));
            }
            let outcome = stage.attempt(&format!("{statement} where {filter}")).await;
            if !outcome.is_nothing() {
                wrong.push(format!("{unless}: {outcome:?}"));
            }
            stage.undo();
        }
    }

    /// The same for all rows that there are: it reaches those that are open, or is refused as a whole.
    async fn play_without_filter(
        &self,
        stage: &mut Stage<'_>,
        open: &str,
        statement: &str,
        wrong: &mut Vec<String>,
    ) {
        if !self.is_foreign {
            return;
        }
        let wanted = stage.count(self.name(), open).await;
        let outcome = stage.attempt(statement).await;
        if outcome != Outcome::Touched(wanted) && !outcome.is_refused() {
            wrong.push(format!("without a filter: {outcome:?} of {wanted}"));
        }
        self.leave_others_alone(stage, &outcome, wrong).await;
        stage.undo();
    }

    async fn leave_others_alone(
        &self,
        stage: &mut Stage<'_>,
        outcome: &Outcome,
        wrong: &mut Vec<String>,
    ) {
        if matches!(outcome, Outcome::Touched(_)) && stage.changed_others().await {
            wrong.push("rows of others have changed".to_owned());
        }
    }
}

fn clause(filter: &str) -> String {
    match filter {
        "true" => String::new(),
        _ => format!(" where {filter}"),
    }
}
