//! What the door to models adds to a call: the same calls to a fast local upstream, directly and through `edge-api` with authentication, quota and
//! usage on, by turns.

mod load;
mod upstream;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::door::Door;
use crate::engine::world::{self, OWNER, TENANT};
use crate::report::{Report, Want, median};
use crate::server::Server;
use load::{Load, Side};
use upstream::Upstream;

/// Of each side at each concurrency.
const ROUNDS: usize = 3;
const WIDE: usize = 64;
const OPEN_STREAMS: usize = 1_000;

pub async fn measure(server: &Server, edge: &Path, report: &mut Report) -> Result<()> {
    world::make(server).await?;
    let key = make_key(server).await?;
    let upstream = Upstream::start().await?;
    let provider = [
        ("OPENAI_API_KEY", "stand-in"),
        ("OPENAI_BASE_URL", upstream.url.as_str()),
    ];
    let door = Door::start(edge, server, &provider).await?;
    let direct = Side::direct(&upstream.url);
    let through = Side::through(&format!("{}/v1", door.url), &key);
    let seconds = Duration::from_secs(server.seconds.into());

    for side in [&direct, &through] {
        Load::run(side, WIDE, Duration::from_secs(2), false).await?;
    }
    let one = compare(&direct, &through, 1, seconds).await?;
    let wide = compare(&direct, &through, WIDE, seconds).await?;
    let first_words = first_words(&direct, &through, seconds).await?;
    let memory = door.resident_mib()?;
    let streams = through.open(OPEN_STREAMS).await?;
    let memory_of_streams = door.resident_mib()?;
    eprintln!("{OPEN_STREAMS} open streams: {memory_of_streams:.1} MiB");
    drop(streams);
    door.stop().await?;

    for (name, both) in [("alone", &one), ("64", &wide)] {
        report.figure(format!("direct_p50_{name}_ms"), both.direct.p50);
        report.figure(format!("direct_p99_{name}_ms"), both.direct.p99);
        report.figure(format!("through_p50_{name}_ms"), both.through.p50);
        report.figure(format!("through_p99_{name}_ms"), both.through.p99);
        report.figure(format!("direct_{name}_per_second"), both.direct.per_second);
        report.figure(
            format!("through_{name}_per_second"),
            both.through.per_second,
        );
    }
    report.figure("first_word_added_p50_ms", first_words);
    report.figure("door_resident_mib", memory);
    report.figure("door_resident_with_1000_streams_mib", memory_of_streams);
    report.goal(
        "added_p50_alone_in_ms",
        Want::AtMost(0.4),
        one.through.p50 - one.direct.p50,
    );
    report.goal(
        "added_p99_alone_in_ms",
        Want::AtMost(2.0),
        one.through.p99 - one.direct.p99,
    );
    report.goal(
        "through_64_in_calls_per_second",
        Want::AtLeast(5_000.0),
        wide.through.per_second,
    );
    report.goal(
        "door_resident_with_1000_streams_in_mib",
        Want::AtMost(100.0),
        memory_of_streams,
    );
    Ok(())
}

struct Both {
    direct: Load,
    through: Load,
}

/// By turns, and of each figure the middle one.
async fn compare(direct: &Side, through: &Side, clients: usize, time: Duration) -> Result<Both> {
    let (mut of_direct, mut of_through) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_direct.push(Load::run(direct, clients, time, false).await?);
        of_through.push(Load::run(through, clients, time, false).await?);
    }
    let both = Both {
        direct: Load::middle(&of_direct),
        through: Load::middle(&of_through),
    };
    eprintln!(
        "{clients} at once: directly {}; through the door {}",
        both.direct, both.through
    );
    Ok(both)
}

/// How much later the first word of a stream comes, one at a time.
async fn first_words(direct: &Side, through: &Side, time: Duration) -> Result<f64> {
    let mut added = Vec::new();
    for _ in 0..ROUNDS {
        let directly = Load::run(direct, 1, time, true).await?;
        let by_the_door = Load::run(through, 1, time, true).await?;
        added.push(by_the_door.p50 - directly.p50);
    }
    Ok(median(added))
}

async fn make_key(server: &Server) -> Result<String> {
    let mut session = server.session().await?;
    sqlx::query(
        "select set_config('role', 'authenticated', false),
                set_config('request.jwt.claims', jsonb_build_object('sub', $1::text, 'role', 'authenticated')::text, false)",
    )
    .bind(OWNER)
    .execute(&mut session)
    .await?;
    let key = sqlx::query_scalar(
        "select key from public.create_api_key($1::uuid, 'bench', '{models.call}')",
    )
    .bind(TENANT)
    .fetch_one(&mut session)
    .await?;
    Ok(key)
}
