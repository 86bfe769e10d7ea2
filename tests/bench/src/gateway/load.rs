//! Clients that call without pause.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Response};
use tokio::task::JoinSet;

use super::upstream::ENDLESS;
use crate::report::median;

/// Whom to call.
#[derive(Clone)]
pub struct Side {
    client: Client,
    url: String,
    key: String,
    model: &'static str,
}

impl Side {
    /// The upstream itself, which knows streams only.
    pub fn direct(url: &str) -> Self {
        Self::new(url, "stand-in", "m")
    }

    pub fn through(url: &str, key: &str) -> Self {
        Self::new(url, key, "openai/m")
    }

    fn new(url: &str, key: &str, model: &'static str) -> Self {
        Self {
            client: Client::new(),
            url: format!("{url}/chat/completions"),
            key: key.to_owned(),
            model,
        }
    }

    async fn ask(&self, is_stream: bool, word: &str) -> Result<Response> {
        let body = format!(
            r#"{{"model": "{}", "stream": {is_stream}, "max_tokens": 20, "messages": [{{"role": "user", "content": "{word}"}}]}}"#,
            self.model
        );
        let request = self.client.post(&self.url).bearer_auth(&self.key);
        let answer = request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await?;
        let status = answer.status();
        if !status.is_success() {
            anyhow::bail!("answered {status}: {}", answer.text().await?);
        }
        Ok(answer)
    }

    /// Streams whose first word has come, and that do not end.
    pub async fn open(&self, count: usize) -> Result<Vec<Response>> {
        let mut open = Vec::with_capacity(count);
        for _ in 0..count {
            let mut answer = self.ask(true, ENDLESS).await?;
            let mut heard = Vec::new();
            while !heard.windows(5).any(|bytes| bytes == b"Hello") {
                let more = answer.chunk().await?;
                heard.extend_from_slice(&more.context("the stream has ended")?);
            }
            open.push(answer);
        }
        Ok(open)
    }

    /// To the first byte of the body, or to its end.
    async fn call(&self, is_stream: bool) -> Result<Duration> {
        let began = Instant::now();
        let mut answer = self.ask(is_stream, "Hello!").await?;
        let mut first = None;
        while answer.chunk().await?.is_some() {
            first.get_or_insert_with(|| began.elapsed());
        }
        Ok(match first {
            Some(first) if is_stream => first,
            _ => began.elapsed(),
        })
    }
}

/// What came of it: milliseconds, and calls a second.
pub struct Load {
    pub p50: f64,
    pub p99: f64,
    pub per_second: f64,
}

impl Load {
    pub async fn run(side: &Side, clients: usize, time: Duration, is_stream: bool) -> Result<Self> {
        let began = Instant::now();
        let mut calling = JoinSet::new();
        for _ in 0..clients {
            let side = side.clone();
            calling.spawn(async move {
                let mut times = Vec::new();
                while began.elapsed() < time {
                    times.push(side.call(is_stream).await?.as_secs_f64() * 1000.0);
                }
                anyhow::Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(ended) = calling.join_next().await {
            times.extend(ended??);
        }
        let seconds = began.elapsed().as_secs_f64();
        ensure!(!times.is_empty(), "nothing was answered");
        times.sort_by(f64::total_cmp);
        Ok(Self {
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            per_second: times.len() as f64 / seconds,
        })
    }

    pub fn middle(of: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| median(of.iter().map(figure).collect());
        Self {
            p50: middle(|load| load.p50),
            p99: middle(|load| load.p99),
            per_second: middle(|load| load.per_second),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.2} ms, p99 {:.2} ms, {:.0} a second",
            self.p50, self.p99, self.per_second
        )
    }
}
