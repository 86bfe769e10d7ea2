//! edge-api's event stream: Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use serde_json::Value;

use super::http;
use super::session::Session;

pub enum Event {
    /// A row of `execution_steps`.
    Step(Value),
    /// A row of `executions`.
    Execution(Value),
}

/// Follows an execution to its end, handing over each event as it comes.
pub async fn follow(session: &Session, execution: &str, mut each: impl FnMut(Event)) -> Result<()> {
    let response = session
        .edge(&format!("/v1/executions/{execution}/events"))
        .send()
        .await
        .context("edge-api does not answer")?;
    if !response.status().is_success() {
        bail!(
            "edge-api opens no event stream: {}",
            http::demand(http::read(response).await?)
                .err()
                .unwrap_or_else(|| anyhow::anyhow!("no reason"))
        );
    }
    let mut bytes = response.bytes_stream();
    let mut lines = Splitter::default();
    while let Some(chunk) = bytes.next().await {
        for (name, data) in lines.push(&chunk.context("the event stream broke off")?) {
            let row = serde_json::from_str(&data)
                .with_context(|| format!("an event {name} holds no JSON: {data}"))?;
            match name.as_str() {
                "step" => each(Event::Step(row)),
                "execution" => each(Event::Execution(row)),
                // A stream may learn new events.
                _ => {}
            }
        }
    }
    Ok(())
}

/// Cuts a stream of bytes into events, wherever the chunks end.
#[derive(Default)]
struct Splitter {
    rest: Vec<u8>,
    name: String,
    data: String,
}

impl Splitter {
    fn push(&mut self, chunk: &[u8]) -> Vec<(String, String)> {
        self.rest.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let (name, data) = (
                    std::mem::take(&mut self.name),
                    std::mem::take(&mut self.data),
                );
                if !data.is_empty() {
                    events.push((name, data));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.name),
                "data" => {
                    if !self.data.is_empty() {
                        self.data.push('\n');
                    }
                    self.data.push_str(value);
                }
                _ => {}
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::Splitter;

    #[test]
    fn events_may_be_cut_anywhere() {
        let stream = ": hello\n\nid: 1\nevent: step\ndata: {\"a\":\ndata: 1}\n\nevent: execution\r\ndata: {}\r\n\r\n";
        for size in 1..stream.len() {
            let mut splitter = Splitter::default();
            let events: Vec<_> = stream
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| splitter.push(chunk))
                .collect();
            let wanted = [
                ("step".to_owned(), "{\"a\":\n1}".to_owned()),
                ("execution".to_owned(), "{}".to_owned()),
            ];
            assert_eq!(events, wanted, "in chunks of {size}");
        }
    }
}
