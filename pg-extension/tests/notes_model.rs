//! Notes against a model, in any order of keeping, taking, committing and rolling back, in two databases that share a memory with little
//! room.

use std::cell::{Cell, RefCell};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlx::{Executor, PgConnection};
use support::OwnServer;
use support::notes::{note, notes_lost, take_notes};

/// The least that can be set.
const ROOM: usize = 10;

/// In one of two databases.
#[derive(Clone, Copy, Debug)]
enum Step {
    Keep,
    /// In the transaction of the database's taker, which it begins when there is none.
    Take(usize),
    Commit,
    Rollback,
}

fn a_step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        5 => Just(Step::Keep),
        3 => (1..8usize).prop_map(Step::Take),
        1 => Just(Step::Commit),
        1 => Just(Step::Rollback),
    ];
    (0..2usize, step)
}

/// The oracle: a sorted list of all that is there, which is as long as it may be or shorter.
#[derive(Default)]
struct Model {
    last: u64,
    /// Each with its database.
    kept: Vec<(u64, usize)>,
    taken: [Vec<u64>; 2],
    lost: i64,
}

impl Model {
    fn add(&mut self, number: u64, database: usize) {
        self.kept.push((number, database));
        self.kept.sort_unstable();
        if self.kept.len() > ROOM {
            self.kept.remove(0);
            self.lost += 1;
        }
    }

    fn keep(&mut self, database: usize) -> u64 {
        self.last += 1;
        self.add(self.last, database);
        self.last
    }

    fn take(&mut self, database: usize, most: usize) -> Vec<u64> {
        let mut taken = Vec::new();
        self.kept.retain(|(number, of)| {
            let is_taken = *of == database && taken.len() < most;
            if is_taken {
                taken.push(*number);
            }
            !is_taken
        });
        self.taken[database].extend(&taken);
        taken
    }

    fn end(&mut self, database: usize, is_rollback: bool) {
        let mut taken = std::mem::take(&mut self.taken[database]);
        taken.sort_unstable();
        if is_rollback {
            for number in taken {
                self.add(number, database);
            }
        }
    }
}

/// Of one database.
struct Sessions {
    writer: PgConnection,
    taker: PgConnection,
    is_open: bool,
}

impl Sessions {
    async fn step(
        &mut self,
        model: &mut Model,
        database: usize,
        step: Step,
    ) -> Result<(), TestCaseError> {
        match step {
            Step::Keep => {
                let number = model.keep(database);
                prop_assert!(note(&mut self.writer, number).await);
            }
            Step::Take(most) => {
                if !self.is_open {
                    self.taker.execute("begin").await.unwrap();
                    self.is_open = true;
                }
                let taken = take_notes(&mut self.taker, most as i32).await;
                prop_assert_eq!(taken, model.take(database, most));
            }
            Step::Commit | Step::Rollback => {
                let is_rollback = matches!(step, Step::Rollback);
                let end = if is_rollback { "rollback" } else { "commit" };
                if self.is_open {
                    self.taker.execute(end).await.unwrap();
                    self.is_open = false;
                }
                model.end(database, is_rollback);
            }
        }
        Ok(())
    }
}

#[test]
fn what_is_kept_taken_and_lost_is_what_the_model_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(OwnServer::start(&[
        "shared_preload_libraries=aias",
        "aias.note_entries=10",
    ]));
    let mut databases = Vec::new();
    for name in ["postgres", "other"] {
        databases.push(Sessions {
            writer: runtime.block_on(server.session_of(name)),
            taker: runtime.block_on(server.session_of(name)),
            is_open: false,
        });
    }
    let databases = RefCell::new(databases);
    let (lost, put_back) = (Cell::new(0), Cell::new(0));

    let mut runner = TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&prop::collection::vec(a_step(), 1..80), |steps| {
        let mut databases = databases.borrow_mut();
        runtime.block_on(async {
            let before = notes_lost(&mut databases[0].writer).await;
            let mut model = Model::default();
            // In the end all is put back, and then taken.
            let end = [Step::Rollback, Step::Take(1000), Step::Commit];
            let end = (0..2).flat_map(|database| end.map(|step| (database, step)));
            for (number, (database, step)) in steps.into_iter().chain(end).enumerate() {
                if matches!(step, Step::Rollback) {
                    put_back.set(put_back.get() + model.taken[database].len());
                }
                databases[database]
                    .step(&mut model, database, step)
                    .await
                    .map_err(|error| {
                        TestCaseError::fail(format!("step {number}, {step:?}: {error}"))
                    })?;
                let now = notes_lost(&mut databases[0].writer).await;
                prop_assert_eq!(now - before, model.lost, "step {}, {:?}", number, step);
            }
            lost.set(lost.get() + model.lost);
            Ok(())
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let (lost, put_back) = (lost.get(), put_back.get());
    assert!(
        lost > 100 && put_back > 100,
        "{lost} lost, {put_back} put back"
    );
}
