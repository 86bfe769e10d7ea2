//! `insert … on conflict`, on a row that is there.

use super::{Cell, Played};
use crate::expected::any_of;
use crate::outcome::Outcome;
use crate::stage::Stage;

impl Cell<'_> {
    pub async fn upsert(&self, stage: &mut Stage<'_>) -> Played {
        let takes_in = self.insert.iter().any(|reach| reach.takes_in(self.tenant));
        // What conflicts is changed, and has to be seen for that.
        let conflicting = format!(
            "{} and {} and {}",
            self.written(),
            any_of(self.update),
            any_of(self.select)
        );
        let is_open = takes_in && stage.count(self.name(), &conflicting).await > 0;
        let key = self.table.primary_key();
        let mut wrong = Vec::new();
        let mut succeeded = false;
        let columns = self.table.columns.iter().map(|column| &column.name);
        for column in columns.filter(|column| !key.contains(column)) {
            let update = match key {
                // Of a view.
                [] => String::new(),
                _ => format!(
                    " on conflict ({}) do update set {column} = {}",
                    key.join(", "),
                    self.table.another_value(column, &self.row[column])
                ),
            };
            let outcome = stage
                .attempt(&format!("{}{update}", self.insertion(self.row)))
                .await;
            succeeded = outcome == Outcome::Touched(1);
            if !is_open && !outcome.is_refused() {
                wrong.push(format!("{column}: {outcome:?}"));
            }
            self.leave_others_alone(stage, &outcome, &mut wrong).await;
            stage.undo();
            if succeeded || !is_open {
                break;
            }
        }
        if is_open && !succeeded {
            wrong.push("no column can be written".to_owned());
        }
        if !takes_in {
            // Nor does a conflict tell that the row is there.
            let statement = format!("{} on conflict do nothing", self.insertion(self.row));
            let outcome = stage.attempt(&statement).await;
            if !outcome.is_refused() {
                wrong.push(format!("on conflict do nothing: {outcome:?}"));
            }
            stage.undo();
        }
        (is_open, wrong)
    }
}
