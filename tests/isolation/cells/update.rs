//! `update`: of each column where a row is open, and of all that the role has a right to where none is.

use super::{Cell, Played, clause};
use crate::expected::{any_of, named_columns, opens_column};
use crate::outcome::Outcome;
use crate::stage::Stage;
use crate::tables::Column;

impl Cell<'_> {
    pub async fn update(&self, stage: &mut Stage<'_>) -> Played {
        let open = any_of(self.update);
        let written = format!("{} and {open}", self.written());
        let is_open = stage.count(self.name(), &written).await > 0;
        let mut wrong = Vec::new();
        if is_open {
            self.update_each_column(stage, &open, &mut wrong).await;
        } else {
            self.update_nothing(stage, &mut wrong).await;
        }
        let named = named_columns(self.update);
        let column = self.a_changeable_column(named.as_deref());
        let value = self.table.another_value(&column, &self.row[&column]);
        let statement = format!("update public.{} set {column} = {value}", self.name());
        self.play_exceptions(stage, self.update, &statement, &mut wrong)
            .await;
        self.play_without_filter(stage, &open, &statement, &mut wrong)
            .await;
        (is_open, wrong)
    }

    async fn update_each_column(&self, stage: &mut Stage<'_>, open: &str, wrong: &mut Vec<String>) {
        let name = self.name();
        let filter = self.filter(stage, open).await;
        let wanted = stage.count(name, &format!("{filter} and {open}")).await;
        let named = named_columns(self.update);
        let mut succeeded = 0;
        for column in &self.table.columns {
            let column = &column.name;
            let value = self.table.another_value(column, &self.row[column]);
            let outcome = stage
                .attempt(&format!(
                    "update public.{name} set {column} = {value}{}",
                    clause(&filter)
                ))
                .await;
            let arrived = match outcome {
                Outcome::Touched(_) => {
                    stage
                        .count_now(name, &format!("{filter} and {column} = {value}"))
                        .await
                }
                Outcome::Threw(..) => 0,
            };
            let went_well = outcome == Outcome::Touched(wanted) && arrived == wanted;
            let is_wrong = if opens_column(self.update, column) {
                succeeded += usize::from(went_well);
                // Other columns of a row that is one's own may be kept by triggers and checks.
                !went_well && named.as_ref().is_some_and(|named| named.contains(column))
            } else {
                arrived != 0 || !(outcome.is_refused() || matches!(outcome, Outcome::Touched(_)))
            };
            if is_wrong {
                wrong.push(format!(
                    "{column} = {value}: {outcome:?}, {arrived} arrived of {wanted}"
                ));
            }
            self.leave_others_alone(stage, &outcome, wrong).await;
            stage.undo();
        }
        if succeeded == 0 {
            wrong.push(format!("no column of {wanted} rows can be written"));
        }
    }

    /// All columns at once that the role has a right to, or one that it has none to.
    async fn update_nothing(&self, stage: &mut Stage<'_>, wrong: &mut Vec<String>) {
        let name = self.name();
        let granted = stage.granted_columns(name).await;
        let columns: Vec<_> = match granted.as_slice() {
            [] => vec![self.a_changeable_column(None)],
            _ => granted,
        };
        let changes: Vec<_> = columns
            .iter()
            .map(|column| {
                let value = self.table.another_value(column, &self.row[column]);
                format!("{column} = {value}")
            })
            .collect();
        let statement = format!(
            "update public.{name} set {} where {}",
            changes.join(", "),
            self.written()
        );
        let outcome = stage.attempt(&statement).await;
        if !outcome.is_nothing() {
            wrong.push(format!("{changes:?}: {outcome:?}"));
        }
        self.leave_others_alone(stage, &outcome, wrong).await;
        stage.undo();
    }

    fn a_changeable_column(&self, named: Option<&[String]>) -> String {
        if let Some([first, ..]) = named {
            return first.clone();
        }
        let is_fit = |column: &&Column| {
            column.kind == "text"
                && !self
                    .table
                    .unique
                    .iter()
                    .any(|unique| unique.columns.contains(&column.name))
        };
        let column = self
            .table
            .columns
            .iter()
            .find(is_fit)
            .or(self.table.columns.first());
        column.map(|column| column.name.clone()).unwrap_or_default()
    }
}
