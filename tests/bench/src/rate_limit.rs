//! What a rate limit costs, beside nothing at all: in a loop inside a backend, and over the wire.

use std::time::Instant;

use anyhow::Result;
use sqlx::PgConnection;

use crate::pgbench::{self, Load};
use crate::report::{Report, Want, median};
use crate::server::Server;

const ROUNDS: usize = 7;
/// Enough to tell how many fill the time.
const TRIAL: i64 = 20_000;

/// Loops that do nothing else. `perform` runs a statement each time, which is the empty `select 1`; an assignment is only an expression,
/// the least that plpgsql can do.
const PREPARE: &str = "
    create function empty_select(times bigint, key text) returns void language plpgsql as $$
      begin for n in 1 .. times loop perform 1; end loop; end $$;
    create function admitted(times bigint, key text) returns void language plpgsql as $$
      begin for n in 1 .. times loop perform aias.rate_limit(key, 1000000000, interval '1 hour'); end loop; end $$;
    create function refused(times bigint, key text) returns void language plpgsql as $$
      begin for n in 1 .. times loop perform aias.rate_limit(key, 1, interval '366 days'); end loop; end $$;
    create function many_keys(times bigint, key text) returns void language plpgsql as $$
      declare keys text[] := (select array_agg(key || n) from generate_series(1, 10000) n);
      begin for n in 1 .. times loop perform aias.rate_limit(keys[n % 10000 + 1], 1000000000, interval '1 hour'); end loop; end $$;
    create function empty_expression(times bigint, key text) returns void language plpgsql as $$
      declare answer boolean;
      begin for n in 1 .. times loop answer := true; end loop; end $$;
    create function expression(times bigint, key text) returns void language plpgsql as $$
      declare answer boolean;
      begin for n in 1 .. times loop answer := aias.rate_limit(key, 1000000000, interval '1 hour'); end loop; end $$;
    create function clock_expression(times bigint, key text) returns void language plpgsql as $$
      declare answer timestamptz;
      begin for n in 1 .. times loop answer := clock_timestamp(); end loop; end $$;
";

const LOOPS: [&str; 7] = [
    "empty_select",
    "admitted",
    "refused",
    "many_keys",
    "empty_expression",
    "expression",
    "clock_expression",
];

pub async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    server.run(PREPARE).await?;
    in_a_backend(server, report).await?;
    in_two_backends(server, report).await?;
    over_the_wire(server, report).await
}

/// Calls a second of a loop.
async fn rate(session: &mut PgConnection, name: &str, times: i64, key: &str) -> Result<f64> {
    let begin = Instant::now();
    sqlx::query(sqlx::AssertSqlSafe(format!("select {name}($1, $2)")))
        .bind(times)
        .bind(key)
        .execute(session)
        .await?;
    Ok(times as f64 / begin.elapsed().as_secs_f64())
}

/// How often a loop turns in the time for one side.
async fn fitting(server: &Server, session: &mut PgConnection, name: &str) -> Result<i64> {
    rate(session, name, TRIAL, "warm").await?;
    let per_second = rate(session, name, TRIAL, "warm").await?;
    // There are more rounds than elsewhere, each with many sides.
    let share = f64::from(server.seconds) / 6.0;
    Ok((per_second * share) as i64 + 1)
}

async fn in_a_backend(server: &Server, report: &mut Report) -> Result<()> {
    let mut session = server.session().await?;
    let mut times = Vec::new();
    for name in LOOPS {
        times.push(fitting(server, &mut session, name).await?);
    }
    let mut rates: [Vec<f64>; LOOPS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for ((name, times), rates) in LOOPS.iter().zip(&times).zip(&mut rates) {
            rates.push(rate(&mut session, name, *times, "one").await?);
        }
    }
    let medians = rates.map(median);
    for (name, per_second) in LOOPS.iter().zip(medians) {
        report.figure(format!("one_backend_{name}_per_second"), per_second);
    }
    let [
        empty,
        admitted,
        refused,
        many_keys,
        least,
        expression,
        clock,
    ] = medians;
    eprintln!("in one backend: {empty:.0} times select 1, {admitted:.0} calls a second");
    for (name, per_second) in [
        ("admitted", admitted),
        ("refused", refused),
        ("many_keys", many_keys),
    ] {
        report.goal(
            format!("empty_select_to_{name}"),
            Want::AtMost(3.0),
            empty / per_second,
        );
    }
    // What is left when the loop itself is taken away, and how much of it is reading the clock.
    report.figure("call_nanoseconds", 1e9 / expression - 1e9 / least);
    report.figure("clock_nanoseconds", 1e9 / clock - 1e9 / least);
    Ok(())
}

/// The same key, or each a key of its own.
async fn in_two_backends(server: &Server, report: &mut Report) -> Result<()> {
    let (mut one, mut two) = (server.session().await?, server.session().await?);
    let times = fitting(server, &mut one, "admitted").await?;
    fitting(server, &mut two, "admitted").await?;
    let mut rates: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (keys, rates) in [["hot", "hot"], ["left", "right"]].iter().zip(&mut rates) {
            let (first, second) = tokio::join!(
                rate(&mut one, "admitted", times, keys[0]),
                rate(&mut two, "admitted", times, keys[1]),
            );
            rates.push(first? + second?);
        }
        let (first, second) = tokio::join!(
            rate(&mut one, "empty_select", times, ""),
            rate(&mut two, "empty_select", times, ""),
        );
        rates[2].push(first? + second?);
    }
    let [hot, apart, empty] = rates.map(median);
    report.figure("two_backends_one_key_per_second", hot);
    report.figure("two_backends_two_keys_per_second", apart);
    report.figure("two_backends_empty_select_per_second", empty);
    report.ratio("two_backends_empty_select_to_one_key", empty / hot);
    report.ratio("two_backends_empty_select_to_two_keys", empty / apart);
    Ok(())
}

struct Side {
    name: &'static str,
    script: &'static str,
    in_table: bool,
}

/// `:client_id` is the number of the session in pgbench.
const SIDES: [Side; 4] = [
    Side {
        name: "empty_select",
        script: "select 1;",
        in_table: false,
    },
    Side {
        name: "shared_memory",
        script: "select aias.rate_limit('hot', 1000000000, '1 hour');",
        in_table: false,
    },
    Side {
        name: "table_one_key",
        script: "select aias.rate_limit('hot', 1000000000, '1 hour');",
        in_table: true,
    },
    Side {
        name: "table_own_keys",
        script: "select aias.rate_limit('own' || (:client_id)::text, 1000000000, '1 hour');",
        in_table: true,
    },
];

async fn over_the_wire(server: &Server, report: &mut Report) -> Result<()> {
    for sessions in [1, 2, 8] {
        let mut rounds: [Vec<Load>; SIDES.len()] = Default::default();
        for _ in 0..3 {
            for (side, loads) in SIDES.iter().zip(&mut rounds) {
                keep_in_table(server, side.in_table).await?;
                loads.push(pgbench::run(server, side.script, sessions).await?);
            }
        }
        let per_second =
            rounds.map(|loads| median(loads.iter().map(|load| load.per_second).collect()));
        for (side, per_second) in SIDES.iter().zip(per_second) {
            report.figure(
                format!("wire_{sessions}_sessions_{}_per_second", side.name),
                per_second,
            );
        }
        let [empty, shared, one_row, own_rows] = per_second;
        eprintln!(
            "over the wire, {sessions} sessions: {empty:.0} times select 1, {shared:.0} in shared memory, {one_row:.0} in the table"
        );
        for (name, per_second) in [
            ("shared_memory", shared),
            ("table_one_key", one_row),
            ("table_own_keys", own_rows),
        ] {
            report.ratio(
                format!("wire_{sessions}_sessions_empty_select_to_{name}"),
                empty / per_second,
            );
        }
    }
    keep_in_table(server, false).await
}

/// For the sessions to come.
async fn keep_in_table(server: &Server, on: bool) -> Result<()> {
    server
        .run(&format!(
            "do $$ begin execute format('alter database %I set aias.rate_limits_in_table = {on}', current_database()); end $$"
        ))
        .await
}
