//! A model for embeddings, in OpenAI's words: it keeps what it was asked, and can be made to wait, to refuse and to break.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What it does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Answers,
    /// Works, and does not say what came of it.
    Holds,
    /// 401, and says the key.
    KnowsNoKey,
    /// 500.
    Breaks,
}

/// A text with this is refused, and all that are asked with it.
pub const REFUSED: &str = "unspeakable";
/// Of each text.
pub const TOKENS: i64 = 10;

#[derive(Clone)]
pub struct Vectors {
    pub url: String,
    mood: watch::Sender<Mood>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Vectors {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vectors = Self {
            url: format!("http://{}/v1", listener.local_addr().unwrap()),
            mood: watch::Sender::new(Mood::Answers),
            asked: Arc::default(),
            keys: Arc::default(),
        };
        let router = Router::new()
            .route("/v1/embeddings", post(embed))
            .with_state(vectors.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        vectors
    }

    pub fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// The texts of each request so far.
    pub fn asked(&self) -> Vec<Vec<String>> {
        self.asked.lock().unwrap().clone()
    }

    /// All of them, sorted.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = self.asked().concat();
        texts.sort();
        texts
    }

    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// Until it was asked so often.
    pub async fn until_asked(&self, times: usize) {
        let begun = std::time::Instant::now();
        while self.asked().len() < times {
            assert!(begun.elapsed() < super::PATIENCE, "it was not asked");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// How much a text is about each of three things.
pub fn vector_of(text: &str) -> [f32; 3] {
    let about =
        |words: [&str; 2]| f32::from(u8::from(words.iter().any(|word| text.contains(word))));
    [
        about(["refund", "money"]),
        about(["opening", "hours"]),
        // So that none is nothing.
        0.1,
    ]
}

async fn embed(
    State(vectors): State<Vectors>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let texts: Vec<String> = serde_json::from_value(request["input"].clone()).unwrap();
    let key = headers
        .get("authorization")
        .map_or("none", |key| key.to_str().unwrap())
        .to_owned();
    vectors.keys.lock().unwrap().push(key.clone());
    vectors.asked.lock().unwrap().push(texts.clone());
    let mut mood = vectors.mood.subscribe();
    let mood = *mood
        .wait_for(|mood| *mood != Mood::Holds)
        .await
        .expect("it is there as long as its sender");
    let refuse = |status: StatusCode, message: String| {
        let body = json!({"error": {"message": message, "type": "invalid_request_error"}});
        (status, Json(body)).into_response()
    };
    match mood {
        Mood::KnowsNoKey => {
            return refuse(
                StatusCode::UNAUTHORIZED,
                format!("Incorrect API key provided: {key}"),
            );
        }
        Mood::Breaks => {
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "it hurts".to_owned());
        }
        Mood::Answers | Mood::Holds => {}
    }
    if texts.iter().any(|text| text.contains(REFUSED)) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "this cannot be embedded".to_owned(),
        );
    }
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector_of(text)}))
        .collect();
    let tokens = TOKENS * i64::try_from(texts.len()).unwrap();
    Json(json!({"object": "list", "data": data, "model": "tiny", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}))
        .into_response()
}
