//! 200 sessions from four processes against one limit, with rollbacks, kills and plan changes among them: exactly the limit is admitted.
//! Beside it the way in which applications usually do it, which is not exact under the same load, so that the load is known to bite.

use std::process::Stdio;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::Executor;
use support::load::{How, Load, Outcome, TABLES};
use support::{Database, assert_slots_add_up, set, status, take};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use uuid::Uuid;

const METER: &str = "executions";
const LIMIT: i64 = 1_500;
const PROCESSES: usize = 4;
const SESSIONS: usize = 200;
const SEEDS: u64 = 10;

#[tokio::test]
async fn exactly_the_limit_is_admitted_whatever_happens_among_200_sessions() {
    for seed in 0..SEEDS {
        let database = Database::create().await;
        let tenant = Uuid::now_v7();
        let mut c = database.connect().await;
        c.execute(TABLES).await.unwrap();
        set(&mut c, tenant, METER, "flow", Some(LIMIT / 2)).await;

        let mut random = StdRng::seed_from_u64(seed);
        let load = load(&database, tenant, How::Extension, seed);
        let mut processes: Vec<_> = (0..PROCESSES).map(|n| start(&load, n as u64)).collect();

        // While they run: plans change, always within the limit that holds in the end, sessions are terminated, and one process is killed.
        for step in 0..12 {
            tokio::time::sleep(Duration::from_millis(random.random_range(20..120))).await;
            set(
                &mut c,
                tenant,
                METER,
                "flow",
                Some(random.random_range(LIMIT / 10..=LIMIT)),
            )
            .await;
            c.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and random() < 0.02")
                .await
                .unwrap();
            if step == 6 {
                processes[0].kill().await.unwrap();
                processes[0] = start(&load, PROCESSES as u64);
            }
        }
        set(&mut c, tenant, METER, "flow", Some(LIMIT)).await;

        let mut outcomes = Vec::new();
        for process in processes {
            outcomes.push(finish(process).await);
        }
        let errors: Vec<_> = outcomes.iter().flat_map(|o| &o.errors).collect();
        assert!(errors.is_empty(), "seed {seed}: {errors:?}");

        let admitted = ledger(&mut c).await;
        assert!(admitted <= LIMIT, "seed {seed}: {admitted} were admitted");
        assert_eq!(
            status(&mut c, tenant, METER).await.used,
            admitted,
            "seed {seed}"
        );
        // Sessions gave up while the plan was small, or after a kill; what they left is there to the last unit.
        for _ in admitted..LIMIT {
            take(&mut c, tenant, METER, 1).await.unwrap();
        }
        assert!(take(&mut c, tenant, METER, 1).await.is_err(), "seed {seed}");
        assert_slots_add_up(&mut c, tenant, METER).await;
        database.remove().await;
    }
}

#[tokio::test]
async fn looking_first_and_adding_then_admits_too_much_under_the_same_load() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    c.execute(TABLES).await.unwrap();
    sqlx::query("insert into counter values (0, $1)")
        .bind(LIMIT / 5)
        .execute(&mut c)
        .await
        .unwrap();

    let load = load(&database, Uuid::now_v7(), How::CheckThenAdd, 1);
    let processes: Vec<_> = (0..PROCESSES).map(|n| start(&load, n as u64)).collect();
    for process in processes {
        finish(process).await;
    }
    let admitted = ledger(&mut c).await;
    assert!(
        admitted > LIMIT / 5,
        "{admitted} of {} were admitted",
        LIMIT / 5
    );
    database.remove().await;
}

fn load(database: &Database, tenant: Uuid, how: How, seed: u64) -> Load {
    Load {
        url: database.url(),
        tenant,
        meter: METER.to_owned(),
        how,
        begin: "begin".to_owned(),
        sessions: SESSIONS / PROCESSES,
        seed,
        largest: 3,
        most_takes: 2,
        rollbacks: 25,
        // However slowly the machine lets them run: while one is at it, others look.
        milliseconds_of_work: 2,
        patience: 3,
    }
}

fn start(load: &Load, process: u64) -> Child {
    let load = Load {
        seed: load.seed * 100 + process,
        ..load.clone()
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_quota-load"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the load process starts");
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    let text = serde_json::to_vec(&load).expect("a load is JSON");
    tokio::spawn(async move {
        _ = stdin.write_all(&text).await;
    });
    child
}

async fn finish(child: Child) -> Outcome {
    let output = child
        .wait_with_output()
        .await
        .expect("the load process ends");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("it prints an outcome")
}

async fn ledger(c: &mut sqlx::PgConnection) -> i64 {
    let (sum,): (i64,) = sqlx::query_as("select coalesce(sum(amount), 0)::bigint from ledger")
        .fetch_one(c)
        .await
        .unwrap();
    sum
}
