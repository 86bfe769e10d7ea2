//! What a take from a quota costs, with many sessions: every take is a transaction of its own, durable when it answers.

use anyhow::Result;

use crate::pgbench::{self, Load};
use crate::report::{Report, Want, median};
use crate::server::Server;

const SESSIONS: [usize; 4] = [1, 8, 16, 32];
const ROUNDS: usize = 3;

/// The tenants are the ends of their ids: twelve digits, so that a client that knows numbers only can name any of them cheaply. None comes
/// near its limit: what is measured is admission.
const PREPARE: &str = "
    select aias.quota_set(('00000000-0000-7000-8000-' || n)::uuid, 'executions', 'flow', 1000000000000, '2026-01-01')
      from generate_series(100000000001, 100000001000) n;

    create table counter (id bigint primary key, used bigint not null, quota_limit bigint not null);
    insert into counter select n, 0, 1000000000000 from generate_series(100000000001, 100000001000) n;

    create table narrow (id bigint not null);
    checkpoint;
";

/// Who takes: everybody from one tenant, or each from any.
struct Scene {
    name: &'static str,
    sides: [Side; 3],
}

struct Side {
    name: &'static str,
    script: &'static str,
}

const SCENES: [Scene; 2] = [
    Scene {
        name: "one_tenant",
        sides: [
            Side {
                name: "take",
                script: "select aias.quota_take('00000000-0000-7000-8000-100000000001', 'executions');",
            },
            Side {
                name: "counter_row",
                script: "update counter set used = used + 1 where id = 100000000001 and used < quota_limit;",
            },
            Side {
                name: "insert",
                script: "insert into narrow values (100000000001);",
            },
        ],
    },
    Scene {
        name: "1000_tenants",
        sides: [
            Side {
                name: "take",
                script: "\\set n random(100000000001, 100000001000)\nselect aias.quota_take(('00000000-0000-7000-8000-' || :n)::uuid, 'executions');",
            },
            Side {
                name: "counter_row",
                script: "\\set n random(100000000001, 100000001000)\nupdate counter set used = used + 1 where id = :n and used < quota_limit;",
            },
            Side {
                name: "insert",
                script: "\\set n random(100000000001, 100000001000)\ninsert into narrow values (:n);",
            },
        ],
    },
];

pub async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    server.run(PREPARE).await?;
    for scene in &SCENES {
        // The first takes share the limit out to as many slots as the sessions make worth while.
        for side in &scene.sides {
            pgbench::run(server, side.script, 32).await?;
        }
        for sessions in SESSIONS {
            compare(server, report, scene, sessions).await?;
        }
    }
    Ok(())
}

async fn compare(
    server: &Server,
    report: &mut Report,
    scene: &Scene,
    sessions: usize,
) -> Result<()> {
    let mut rounds: [Vec<Load>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (side, loads) in scene.sides.iter().zip(&mut rounds) {
            loads.push(pgbench::run(server, side.script, sessions).await?);
        }
    }
    let place = format!("{}_{sessions}_sessions", scene.name);
    let mut medians = [0.0; 3];
    for ((side, loads), per_second) in scene.sides.iter().zip(&rounds).zip(&mut medians) {
        *per_second = median(loads.iter().map(|load| load.per_second).collect());
        let p99 = median(loads.iter().map(|load| load.p99_milliseconds).collect());
        report.figure(format!("{place}_{}_per_second", side.name), *per_second);
        report.figure(format!("{place}_{}_p99_ms", side.name), p99);
    }
    let [take, row, insert] = medians;
    eprintln!(
        "{place}: {take:.0} takes, {row:.0} updates of a counter row, {insert:.0} inserts a second"
    );

    let to_row = format!("{place}_take_to_counter_row");
    if (scene.name, sessions) == ("one_tenant", 16) {
        report.goal(to_row, Want::AtLeast(5.0), take / row);
    } else {
        report.ratio(to_row, take / row);
    }
    report.goal(
        format!("{place}_take_to_insert"),
        Want::AtLeast(0.7),
        take / insert,
    );
    Ok(())
}
