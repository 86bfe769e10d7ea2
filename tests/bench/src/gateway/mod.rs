//! What the door to models adds to a call: the same calls to a fast local upstream, directly and through `edge-api` with authentication, quota and
//! usage on, by turns.

mod load;
mod upstream;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

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
    let door = Door::start(edge, server, &upstream.url).await?;
    let direct = Side::direct(&upstream.url);
    let through = Side::through(&door.url, &key);
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

/// An `edge-api` process, as it is shipped.
struct Door {
    url: String,
    process: Child,
    spool: PathBuf,
}

impl Door {
    async fn start(program: &Path, server: &Server, upstream: &str) -> Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0").await?;
        let address = free.local_addr()?.to_string();
        drop(free);
        let spool = std::env::temp_dir().join(format!("aias-bench-spool-{}", std::process::id()));
        let process = Command::new(program)
            .env("AIAS_SPOOL_DIR", &spool)
            .env("AIAS_DATABASE_URL", &server.url)
            .env("AIAS_LISTEN", &address)
            .env("AIAS_JWT_SECRET", "nobody-signs-with-this-in-a-benchmark")
            .env("OPENAI_API_KEY", "stand-in")
            .env("OPENAI_BASE_URL", upstream)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let door = Self {
            url: format!("http://{address}/v1"),
            process,
            spool,
        };
        let ready = format!("http://{address}/readyz");
        for _ in 0..200 {
            if reqwest::get(&ready)
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return Ok(door);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("edge-api is not ready")
    }

    fn resident_mib(&self) -> Result<f64> {
        let id = self.process.id().context("edge-api has ended by itself")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kib.context("no VmRSS")?.parse::<f64>()? / 1024.0)
    }

    /// As an operator would, by SIGTERM.
    async fn stop(mut self) -> Result<()> {
        let id = self.process.id().context("edge-api has ended by itself")?;
        let asked = Command::new("kill").arg(id.to_string()).status().await?;
        ensure!(asked.success(), "could not stop edge-api");
        self.process.wait().await?;
        std::fs::remove_dir_all(&self.spool)?;
        Ok(())
    }
}
