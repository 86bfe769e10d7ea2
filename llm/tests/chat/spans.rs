//! What who listens to spans is told of calls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use llm::{ChatRequest, EmbeddingRequest};
use serde_json::json;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::support::{Aimock, BEGINNING, KEY, MODELS, Reply, Socket, answer, drain, providers};

type Fields = BTreeMap<&'static str, String>;

/// The spans of the crate, in the order in which they began.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(Id, Fields)>>>);

impl Spans {
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let spans = Self::default();
        let subscriber = tracing_subscriber::registry().with(spans.clone());
        (spans, tracing::subscriber::set_default(subscriber))
    }

    fn take(&self) -> Vec<Fields> {
        let spans = std::mem::take(&mut *self.0.lock().unwrap());
        spans.into_iter().map(|(_, fields)| fields).collect()
    }
}

impl<S: Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if attributes.metadata().target() == "llm" {
            let mut read = Reader::default();
            attributes.record(&mut read);
            self.0.lock().unwrap().push((id.clone(), read.0));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        // An id may be used again once its span is over.
        if let Some((_, fields)) = spans.iter_mut().rfind(|(known, _)| known == id) {
            let mut read = Reader::default();
            values.record(&mut read);
            fields.extend(read.0);
        }
    }
}

#[derive(Default)]
struct Reader(Fields);

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

fn fields(expected: &[(&'static str, &str)]) -> Fields {
    let owned = expected
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    owned.collect()
}

#[tokio::test]
async fn a_call_is_told_in_the_words_of_opentelemetry() {
    let mock = Aimock::start(json!([])).await;
    let (spans, _listening) = Spans::listen();
    let makers = ["openai", "anthropic", "gcp.gemini", "vllm"];
    for (model, maker) in MODELS.into_iter().zip(makers) {
        mock.script(json!([{
            "match": { "userMessage": "a private matter" },
            "response": { "content": "a discreet answer", "usage": { "prompt_tokens": 11, "completion_tokens": 3 } },
        }]))
        .await;
        let request = ChatRequest::new(model).user("a private matter");
        providers(mock.url()).complete(&request).await.unwrap();
        let name = model.split_once('/').unwrap().1;
        let expected = fields(&[
            ("otel.name", &format!("chat {name}")),
            ("otel.kind", "client"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", maker),
            ("gen_ai.request.model", name),
            ("gen_ai.response.finish_reasons", "stop"),
            ("gen_ai.usage.input_tokens", "11"),
            ("gen_ai.usage.output_tokens", "3"),
        ]);
        // All that there is: neither what was asked, nor what was answered, nor the key.
        assert_eq!(spans.take(), [expected], "{model}");
    }
}

#[tokio::test]
async fn parts_are_told_where_there_are_any() {
    let socket = Socket::start(vec![Reply::events(&[
        r#"{"type":"message_start","message":{"usage":{"input_tokens":5,"cache_read_input_tokens":20,"cache_creation_input_tokens":7,"output_tokens":1}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"text":"hi"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}"#,
        r#"{"type":"message_stop"}"#,
    ])])
    .await;
    let (spans, _listening) = Spans::listen();
    let request = ChatRequest::new(MODELS[1]).user("hi");
    providers(socket.url()).complete(&request).await.unwrap();
    let [span] = spans.take().try_into().unwrap();
    assert_eq!(span["gen_ai.usage.input_tokens"], "32");
    assert_eq!(span["gen_ai.usage.output_tokens"], "4");
    assert_eq!(span["gen_ai.usage.cache_read.input_tokens"], "20");
    assert_eq!(span["gen_ai.usage.cache_creation.input_tokens"], "7");
    assert!(!span.contains_key("gen_ai.usage.reasoning.output_tokens"));
}

#[tokio::test]
async fn each_try_has_a_span_and_says_what_it_failed_of() {
    for model in MODELS {
        let refusal = Reply::status(500, &[], &format!("bad key {KEY}"));
        let socket = Socket::start(vec![refusal, answer()]).await;
        let (spans, _listening) = Spans::listen();
        let request = ChatRequest::new(model).user("hi");
        providers(socket.url()).complete(&request).await.unwrap();
        let [first, second] = spans.take().try_into().unwrap();
        assert_eq!(first["error.type"], "provider_error", "{model}");
        assert_eq!(first["otel.status_code"], "ERROR", "{model}");
        assert!(!format!("{first:?}").contains(KEY), "{first:?}");
        assert!(!second.contains_key("error.type"), "{model}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_a_failed_call() {
    for model in MODELS {
        let socket = Socket::start(vec![Reply::events(&[BEGINNING]).torn()]).await;
        let (spans, _listening) = Spans::listen();
        let request = ChatRequest::new(model).user("hi");
        let stream = providers(socket.url()).chat(&request).await.unwrap();
        assert!(drain(stream).await.1.is_some(), "{model}");
        let [span] = spans.take().try_into().unwrap();
        assert_eq!(span["error.type"], "connection", "{model}");
    }
}

#[tokio::test]
async fn vectors_have_spans_too() {
    let vectors = r#"{"data":[{"index":0,"embedding":[0.5,1.5]}],"usage":{"prompt_tokens":6,"total_tokens":6}}"#;
    let socket = Socket::start(vec![Reply::status(200, &[], vectors)]).await;
    let (spans, _listening) = Spans::listen();
    let request = EmbeddingRequest::new("openai/text-embedding-3-small").input("hi");
    providers(socket.url()).embed(&request).await.unwrap();
    let [span] = spans.take().try_into().unwrap();
    assert_eq!(span["otel.name"], "embeddings text-embedding-3-small");
    assert_eq!(span["gen_ai.usage.input_tokens"], "6");
}
