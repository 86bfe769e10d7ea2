//! A fleet of workers that is drawn from a seed, over the real functions and with a clock that the test moves: workers die and come back, answers
//! are lost, tenants are suspended, and time goes by, while a model says what must be true. `AIAS_FLEET_SEEDS=FROM..TO` plays other seeds.

mod faults;
mod model;
mod sim;

use std::ops::Range;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, PgPool};

use crate::stage::Stage;
use sim::Fleet;

const SEEDS: Range<u64> = 0..150;
/// Dead rows make later seeds slow.
const SEEDS_BETWEEN_VACUUMS: u64 = 10;

#[sqlx::test(migrations = "../migrations")]
async fn a_fleet_loses_nothing_and_doubles_nothing(pool: PgPool) {
    let mut session = stage(pool).await;
    for seed in seeds() {
        if let Err(words) = play(&mut session, seed).await {
            panic!("{words}");
        }
    }
}

async fn stage(pool: PgPool) -> PgConnection {
    let stage = Stage::with_tenants(pool, 4).await;
    // Who may cancel and pause is not what is asked here.
    stage
        .run("create or replace function private.tenants_with(permission text) returns setof uuid language sql stable as 'select id from public.tenants'")
        .await;
    let options = (*stage.pool.connect_options()).clone();
    let mut session = PgConnection::connect_with(&options).await.unwrap();
    // How far a lane was taken is written down every thousand jobs; here, every few.
    change_function(&mut session, "queue.claim", "/ 1024.0", "/ 4.0").await;
    // And never beyond the oldest transaction of the whole server, which may be another test's. In this database there is only this session.
    for function in ["queue.pick", "queue.claim"] {
        let oldest = "pg_snapshot_xmin(pg_current_snapshot())";
        change_function(&mut session, function, oldest, "pg_current_xact_id()").await;
    }
    session
}

/// Answers the function as it was.
async fn change_function(
    session: &mut PgConnection,
    function: &str,
    from: &str,
    to: &str,
) -> String {
    let whole: String = sqlx::query_scalar("select pg_get_functiondef($1::regproc)")
        .bind(function)
        .fetch_one(&mut *session)
        .await
        .unwrap();
    let changed = whole.replace(from, to);
    assert_ne!(whole, changed, "{function} does not say {from:?}");
    sqlx::raw_sql(AssertSqlSafe(changed))
        .execute(session)
        .await
        .unwrap();
    whole
}

fn seeds() -> Range<u64> {
    let Ok(given) = std::env::var("AIAS_FLEET_SEEDS") else {
        return SEEDS;
    };
    let (from, to) = given.split_once("..").expect("seeds are given as FROM..TO");
    from.parse().expect("FROM is a number")..to.parse().expect("TO is a number")
}

async fn play(session: &mut PgConnection, seed: u64) -> Result<(), String> {
    if seed.is_multiple_of(SEEDS_BETWEEN_VACUUMS) {
        sqlx::raw_sql("vacuum queue.jobs, queue.lanes, queue.workers, queue.state, queue.tenants")
            .execute(&mut *session)
            .await
            .unwrap();
    }
    let mut fleet = Fleet::draw(session, seed).await;
    fleet.run().await.map_err(|what| {
        let last = fleet.log.len().saturating_sub(20);
        format!("seed {seed}: {what}\n{}", fleet.log[last..].join("\n"))
    })
}
