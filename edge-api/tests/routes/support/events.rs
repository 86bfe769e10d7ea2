use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// Reads server-sent events as a client does: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
pub struct EventReader {
    body: BodyDataStream,
    unread: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: Option<i64>,
    pub data: String,
    pub comment: Option<String>,
}

impl Event {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).expect("data is JSON")
    }

    /// `execution running`, `step greet succeeded 4`, `error not_found`.
    pub fn summary(&self) -> String {
        let data = if self.data.is_empty() {
            Value::Null
        } else {
            self.json()
        };
        let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
        match self.name.as_str() {
            "execution" => format!("execution {}", text("status")),
            "step" => format!(
                "step {} {} {}",
                text("node_id"),
                text("status"),
                self.id.expect("a step has an id")
            ),
            "error" => format!("error {}", text("code")),
            _ => format!("comment {}", self.comment.as_deref().unwrap_or_default()),
        }
    }
}

impl EventReader {
    pub fn new(body: Body) -> Self {
        Self {
            body: body.into_data_stream(),
            unread: String::new(),
        }
    }

    /// The next event, comments included; None at the end. Panics when nothing comes for some seconds.
    pub async fn next(&mut self) -> Option<Event> {
        timeout(PATIENCE, self.read())
            .await
            .expect("an event or the end of the stream")
    }

    /// Panics when something comes within this time.
    pub async fn nothing_for(&mut self, time: Duration) {
        if let Ok(event) = timeout(time, self.read()).await {
            panic!("this came: {event:?}");
        }
    }

    /// Everything up to the end, in short.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Some(event) = self.next().await {
            rest.push(event.summary());
        }
        rest
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.unread.find("\n\n") {
                let frame: String = self.unread.drain(..end + 2).collect();
                if let Some(event) = parse(&frame) {
                    return Some(event);
                }
            }
            let chunk = self.body.next().await?.expect("a chunk");
            self.unread
                .push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }
}

/// None for a frame that only sets the time to reconnect.
fn parse(frame: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut is_event = false;
    for line in frame.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').expect("a field");
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "event" => event.name = value,
            "id" => event.id = Some(value.parse().expect("a number")),
            "data" => event.data.push_str(&value),
            "" => event.comment = Some(value),
            "retry" => continue,
            other => panic!("unknown field {other}"),
        }
        is_event = true;
    }
    is_event.then_some(event)
}
