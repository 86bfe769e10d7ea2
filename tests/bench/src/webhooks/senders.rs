//! Clients that deliver events without pause.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use reqwest::{Client, StatusCode};

use super::events::Events;

/// What came of it: milliseconds, and events a second.
pub struct Load {
    pub p50: f64,
    pub p99: f64,
    pub per_second: f64,
}

pub async fn run(url: &str, events: &Events, clients: usize, time: Duration) -> Result<Load> {
    let client = Client::new();
    let url = format!("{url}/webhooks/stripe");
    let began = Instant::now();
    let sending = (0..clients).map(async |_| {
        let mut times = Vec::new();
        while began.elapsed() < time {
            let body = events.next().body;
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
            let signature = events.signature(&body, now);
            let sent = Instant::now();
            let answer = client
                .post(&url)
                .header("stripe-signature", signature)
                .body(body)
                .send()
                .await?;
            let status = answer.status();
            ensure!(
                status == StatusCode::OK,
                "answered {status}: {}",
                answer.text().await?
            );
            times.push(sent.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(times)
    });
    let mut times = try_join_all(sending).await?.concat();
    let seconds = began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    Ok(Load {
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
        per_second: times.len() as f64 / seconds,
    })
}
