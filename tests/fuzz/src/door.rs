//! The doors: sends a request as somebody, and takes down the whole answer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, Response};
use serde_json::Value;

use crate::people::Person;
use crate::request::{Comparable, Door, Kind, Request};

/// A stream that has nothing more to say for so long is cut off.
const STREAM: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Doors {
    client: Client,
    rest: String,
    edge: String,
    publishable_key: String,
}

#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// 0 when there was none.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub elapsed: Duration,
}

impl Doors {
    pub fn new(api_url: &str, edge_url: &str, publishable_key: &str) -> Result<Self> {
        let client = Client::builder()
            // A proxy of the environment is for other hosts than this one.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        Ok(Self {
            client,
            rest: format!("{api_url}/rest/v1"),
            edge: edge_url.to_owned(),
            publishable_key: publishable_key.to_owned(),
        })
    }

    /// edge-api's description of itself.
    pub async fn openapi(&self) -> Result<Value> {
        let response = self
            .client
            .get(format!("{}/openapi.json", self.edge))
            .send()
            .await;
        let text = response.context("edge-api does not answer")?.text().await?;
        serde_json::from_str(&text).context("edge-api describes itself in something else than JSON")
    }

    /// Asks once as each of these. Supabase Lite prepares a role at its first request, and stumbles when two come at once.
    pub async fn warm_up(&self, people: &[Person]) -> Result<()> {
        let request = Request {
            kind: Kind::Select,
            door: Door::Rest,
            actor: 0,
            method: "GET",
            target: "/subscription_plans?select=key".to_owned(),
            headers: Vec::new(),
            body: None,
            comparable: Comparable::Whole,
        };
        for person in people.iter().filter(|person| person.name != "api key") {
            let answer = self.send(&request, person).await;
            ensure!(
                answer.status == 200,
                "the door does not let {} read the plans: {} {}",
                person.name,
                answer.status,
                answer.body
            );
        }
        Ok(())
    }

    /// No answer is an answer: status 0, with the reason as its body.
    pub async fn send(&self, request: &Request, person: &Person) -> Answer {
        let started = Instant::now();
        let mut answer = self
            .exchange(request, person)
            .await
            .unwrap_or_else(|error| Answer {
                body: format!("{error:#}"),
                ..Answer::default()
            });
        answer.elapsed = started.elapsed();
        answer
    }

    async fn exchange(&self, request: &Request, person: &Person) -> Result<Answer> {
        let address = match request.door {
            Door::Rest => &self.rest,
            Door::Edge => &self.edge,
        };
        let mut sending = self.client.request(
            Method::from_bytes(request.method.as_bytes())?,
            format!("{address}{}", request.target),
        );
        if request.door == Door::Rest {
            sending = sending.header("apikey", &self.publishable_key);
        }
        let has_own = request
            .headers
            .iter()
            .any(|(name, _)| *name == "authorization");
        if let Some(token) = person.token.as_ref().filter(|_| !has_own) {
            sending = sending.bearer_auth(token);
        }
        for (name, value) in &request.headers {
            sending = sending.header(*name, value);
        }
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        let response = sending.send().await?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let body = match request.comparable {
            Comparable::Status => beginning(response).await,
            _ => response.bytes().await?.to_vec(),
        };
        Ok(Answer {
            status,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            elapsed: Duration::ZERO,
        })
    }
}

/// What a stream says until it pauses.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut said = Vec::new();
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout(STREAM, response.chunk()).await {
        said.extend_from_slice(&chunk);
    }
    said
}
