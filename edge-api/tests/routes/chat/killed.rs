//! The service as a process, and SIGKILL.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};
use tests::seed::{ALPHA, ALPHA_EDITOR};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::agent_tools::{asked, configure};
use super::quota::{allow, with_limit};
use super::{PATH, streamed};
use crate::support::SECRET;
use crate::support::upstream::{Line, OPERATORS_KEY, Upstream};

/// One replica, with its journal on disk.
struct Replica {
    url: String,
    process: Child,
}

impl Replica {
    async fn start(pool: &PgPool, upstream: &Upstream, spool: &PathBuf) -> Self {
        let options = Arc::unwrap_or_clone(pool.connect_options()).username("aias_edge");
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new(env!("CARGO_BIN_EXE_edge-api"))
            .env("AIAS_DATABASE_URL", options.to_url_lossy().as_str())
            .env("AIAS_LISTEN", address.to_string())
            .env("AIAS_JWT_SECRET", SECRET)
            .env("AIAS_SPOOL_DIR", spool)
            .env("OPENAI_API_KEY", OPERATORS_KEY)
            .env("OPENAI_BASE_URL", upstream.url())
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let replica = Self {
            url: format!("http://{address}"),
            process,
        };
        for _ in 0..400 {
            let ready = reqwest::get(format!("{}/readyz", replica.url)).await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return replica;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("edge-api is not ready");
    }

    async fn kill(mut self) {
        self.process.start_kill().unwrap();
        self.process.wait().await.unwrap();
    }

    /// Reads a stream to its end, however that comes, and says as it goes how many pieces have come. Answers the status.
    fn listen(
        &self,
        body: &Value,
        heard: Box<dyn Fn() + Send>,
    ) -> impl Future<Output = u16> + use<> {
        let request = reqwest::Client::new()
            .post(format!("{}{PATH}", self.url))
            .bearer_auth(ALPHA_EDITOR.token(SECRET))
            .header("content-type", "application/json")
            .body(body.to_string());
        async move {
            let mut answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let mut text = String::new();
            let mut known = 0;
            while let Ok(Some(bytes)) = answer.chunk().await {
                text.push_str(&String::from_utf8_lossy(&bytes));
                let pieces = text.matches("\"content\":\"word\"").count();
                (known..pieces).for_each(|_| heard());
                known = pieces;
            }
            status
        }
    }
}

async fn written(pool: &PgPool) -> (i64, i64) {
    sqlx::query_as(
        "select count(*), coalesce(sum(input_tokens + output_tokens), 0)::bigint from public.usage where idempotency_key like 'call:%'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Until this many calls are written down and nothing is set aside: tokens that are used.
async fn settled(pool: &PgPool, calls: i64) -> i64 {
    let mut last = Default::default();
    for _ in 0..400 {
        let (used, reserved): (i64, i64) = sqlx::query_as(
            "select used, reserved from aias.quota_usage($1) where meter = 'llm_tokens'",
        )
        .bind(ALPHA)
        .fetch_one(pool)
        .await
        .unwrap();
        let count = written(pool).await.0;
        if count == calls && reserved == 0 {
            return used;
        }
        last = (count, used, reserved);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{last:?} calls written down, used, reserved; and {calls} were made");
}

fn spool() -> PathBuf {
    std::env::temp_dir().join(format!("aias-edge-killed-{}", Uuid::now_v7()))
}

/// Of 64 streams under a limit a third ends, a third breaks, and a third is in the middle when the process is killed. What is written down is
/// what the provider's stand-in has said.
#[sqlx::test(migrations = "../migrations")]
async fn spend_is_exact_when_the_process_is_killed(pool: PgPool) {
    const LIMIT: i64 = 500;
    let (upstream, spool) = (Upstream::start().await, spool());
    tests::policies::apply(&pool).await.unwrap();
    tests::seed::apply(&pool).await.unwrap();
    allow(&pool, LIMIT).await;
    let replica = Replica::start(&pool, &upstream, &spool).await;

    let (sender, mut told) = mpsc::unbounded_channel();
    let mut listening = JoinSet::new();
    for number in 0..64 {
        let model = ["plain", "breaks", "hangs"][number % 3];
        let tell = sender.clone();
        let pieces = AtomicUsize::new(0);
        let in_the_middle = move || {
            if pieces.fetch_add(1, Ordering::SeqCst) == 2 {
                let _ = tell.send((200, "hangs"));
            }
        };
        let listening_to = replica.listen(&with_limit(streamed(model), 8), Box::new(in_the_middle));
        let tell = sender.clone();
        listening.spawn(async move {
            let status = listening_to.await;
            if model != "hangs" || status != 200 {
                let _ = tell.send((status, model));
            }
        });
    }
    let mut answers = Vec::new();
    while answers.len() < 64 {
        answers.push(told.recv().await.unwrap());
    }
    replica.kill().await;
    listening.join_all().await;

    let admitted = answers.iter().filter(|(status, _)| *status == 200);
    // The stand-in counts ten. Of what is cut off two tokens were asked, and every four characters of the answer are one.
    let said: i64 = admitted
        .clone()
        .map(|(_, model)| match *model {
            "plain" => 10,
            "breaks" => 4,
            _ => 5,
        })
        .sum();
    let calls = i64::try_from(admitted.count()).unwrap();
    assert!((40..=64).contains(&calls), "{answers:?}");
    assert_eq!(upstream.journal.requests().len() as i64, calls);

    let next = Replica::start(&pool, &upstream, &spool).await;
    assert_eq!(settled(&pool, calls).await, said);
    assert_eq!(written(&pool).await, (calls, said));
    assert!(said <= LIMIT, "{said}");
    next.kill().await;
    std::fs::remove_dir_all(spool).unwrap();
}

/// At any moment: never less than a client has heard, never more than was said.
#[sqlx::test(migrations = "../migrations")]
async fn whoever_is_killed_in_the_middle_has_counted_what_it_passed_on(pool: PgPool) {
    const STREAMS: i64 = 16;
    let (upstream, spool) = (Upstream::start().await, spool());
    tests::policies::apply(&pool).await.unwrap();
    tests::seed::apply(&pool).await.unwrap();
    allow(&pool, 1_000_000).await;
    let mut replica = Replica::start(&pool, &upstream, &spool).await;
    for round in 1..=3 {
        let heard = Arc::new(AtomicUsize::new(0));
        let begun = Arc::new(AtomicUsize::new(0));
        let before = written(&pool).await.1;
        let said_before = upstream.journal.said();
        let mut listening = JoinSet::new();
        for _ in 0..STREAMS {
            let (heard, begun) = (heard.clone(), begun.clone());
            let is_first = AtomicBool::new(true);
            let count = move || {
                heard.fetch_add(1, Ordering::SeqCst);
                if is_first.swap(false, Ordering::SeqCst) {
                    begun.fetch_add(1, Ordering::SeqCst);
                }
            };
            listening.spawn(replica.listen(&streamed("endless"), Box::new(count)));
        }
        while heard.load(Ordering::SeqCst) < 400 || begun.load(Ordering::SeqCst) < STREAMS as usize
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        replica.kill().await;
        listening.join_all().await;
        replica = Replica::start(&pool, &upstream, &spool).await;
        settled(&pool, round * STREAMS).await;

        let counted = written(&pool).await.1 - before - 2 * STREAMS;
        let heard = heard.load(Ordering::SeqCst) as i64;
        let said = (upstream.journal.said() - said_before) as i64;
        assert!(
            heard <= counted && counted <= said,
            "heard {heard}, counted {counted}, said {said}"
        );
    }
    replica.kill().await;
    std::fs::remove_dir_all(spool).unwrap();
}

/// The first round is paid before the second begins, and of the second what the next process finds in the journal.
#[sqlx::test(migrations = "../migrations")]
async fn a_conversation_that_is_killed_in_its_second_round_has_paid_for_both(pool: PgPool) {
    let (upstream, spool) = (Upstream::start().await, spool());
    tests::policies::apply(&pool).await.unwrap();
    tests::seed::apply(&pool).await.unwrap();
    allow(&pool, 1_000_000).await;
    let tools = json!({"tools": [{"type": "search_documents", "name": "manual"}]});
    configure(&pool, tools).await;
    upstream.is_to_say([
        Line::Asks("", vec![("manual", json!({"query": "Where?"}))]),
        Line::Hangs,
    ]);
    let replica = Replica::start(&pool, &upstream, &spool).await;
    let (sender, mut told) = mpsc::unbounded_channel();
    let heard = Box::new(move || {
        let _ = sender.send(());
    });
    let mut wanted = asked();
    wanted["stream"] = true.into();
    let listening = tokio::spawn(replica.listen(&wanted, heard));
    for _ in 0..3 {
        told.recv().await.unwrap();
    }
    replica.kill().await;
    assert_eq!(listening.await.unwrap(), 200);

    let next = Replica::start(&pool, &upstream, &spool).await;
    let used = settled(&pool, 2).await;
    let rounds: Vec<(i64, i64, bool)> = sqlx::query_as(
        "select input_tokens, output_tokens, is_estimated from public.usage where idempotency_key like 'call:%' order by idempotency_key",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    // The stand-in counts ten. Of what is cut off it is the question that goes in, as it is guessed, and every four characters of the answer.
    let [(7, 3, false), (asked, 3, true)] = rounds[..] else {
        panic!("{rounds:?}");
    };
    assert!(asked > 0);
    assert_eq!(used, 10 + asked + 3);
    assert_eq!(upstream.journal.requests().len(), 2);
    next.kill().await;
    std::fs::remove_dir_all(spool).unwrap();
}
