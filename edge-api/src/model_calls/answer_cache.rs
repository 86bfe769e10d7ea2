//! Answers that are kept for a while, for tenants that want it.
//!
//! Two requests are the same when the model would be told the same by both: after an agent's settings are in them, all that goes to the model is
//! compared, the model itself and those that are asked when it fails included. Whether an answer is streamed, who asks and with whose key it is
//! paid make no difference within a tenant.
//!
//! What can be asked is a request with temperature 0 and without pictures that a provider would fetch. What is kept is an answer that came to its
//! end, of the model that was asked for; that of a stream only where no schema has to be held, since a stream is not checked against one.

use axum::http::{HeaderMap, header};
use llm::{ChatEvent, ChatRequest, Completion, FinishReason, Message, Part, Picture, Usage};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Raised when what the same hash means changes.
const VERSION: u32 = 1;

/// What a request wants of the cache: <https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    Any,
    /// `no-cache`, `max-age=0`: the model is to be asked, and its answer kept.
    Anew,
    /// `no-store`.
    Never,
}

impl CacheUse {
    pub fn of(headers: &HeaderMap) -> Self {
        let mut wanted = Self::Any;
        let values = headers.get_all(header::CACHE_CONTROL).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        for directive in values.flat_map(|value| value.split(',')) {
            match directive.trim().to_ascii_lowercase().as_str() {
                "no-store" => return Self::Never,
                "no-cache" | "max-age=0" => wanted = Self::Anew,
                _ => {}
            }
        }
        wanted
    }
}

/// Where the answer to a request is kept, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePlace {
    pub tenant_id: Uuid,
    pub agent_id: Option<Uuid>,
    pub hash: [u8; 32],
}

impl CachePlace {
    /// None where the same question may be answered differently.
    pub fn of(request: &ChatRequest, tenant_id: Uuid, agent_id: Option<Uuid>) -> Option<Self> {
        if request.temperature != Some(0.0) || request.messages.iter().any(shows_what_may_change) {
            return None;
        }
        let asked = json!({
            "version": VERSION,
            "model": request.model,
            "fallback_models": request.fallback_models,
            "system": request.system,
            "messages": request.messages,
            "top_p": request.top_p,
            "stop": request.stop,
            "max_tokens": request.max_tokens,
            "output_schema": request.output_schema,
            "tools": request.tools,
            "tool_choice": request.tool_choice,
        });
        Some(Self {
            tenant_id,
            agent_id,
            hash: Sha256::digest(sorted(asked).to_string()).into(),
        })
    }
}

fn shows_what_may_change(message: &Message) -> bool {
    let Message::User { content } = message else {
        return false;
    };
    let is_fetched = |part: &Part| matches!(part, Part::Image(Picture::Url(_)));
    content.iter().any(is_fetched)
}

/// With the keys of objects in one order, however they were written.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name, sorted(value)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// An answer, as `edge.keep_answers` takes it.
#[derive(Debug, Serialize)]
pub struct KeptAnswer {
    pub tenant_id: Uuid,
    pub agent_id: Option<Uuid>,
    pub hash: String,
    pub answer: Completion,
}

/// Keeps an answer when it has come to its end.
pub struct Keeping {
    place: CachePlace,
    /// That was asked for.
    model: String,
    has_schema: bool,
}

impl Keeping {
    pub fn new(place: CachePlace, request: &ChatRequest) -> Self {
        Self {
            place,
            model: request.model.clone(),
            has_schema: request.output_schema.is_some(),
        }
    }

    /// None where others are not to be answered with it.
    pub fn keep(self, answer: &Completion, was_streamed: bool) -> Option<KeptAnswer> {
        let is_whole = matches!(
            answer.finish_reason,
            FinishReason::Stop | FinishReason::Length | FinishReason::ToolCalls
        );
        let is_checked = !(was_streamed && self.has_schema);
        // Of which the database takes none; and one that cannot be written keeps others from it.
        let has_nul = answer.text.contains('\0')
            || answer
                .tool_calls
                .iter()
                .any(|call| call.arguments.contains('\0') || call.name.contains('\0'));
        let hash = self.place.hash.iter();
        (is_whole && is_checked && !has_nul && answer.model == self.model).then(|| KeptAnswer {
            tenant_id: self.place.tenant_id,
            agent_id: self.place.agent_id,
            hash: hash.map(|byte| format!("{byte:02x}")).collect(),
            answer: answer.clone(),
        })
    }
}

/// The events of an answer that is there already. It has taken nothing.
pub fn replayed(answer: &Completion) -> Vec<ChatEvent> {
    let mut events = Vec::new();
    if !answer.text.is_empty() {
        events.push(ChatEvent::Text(answer.text.clone()));
    }
    for (index, call) in answer.tool_calls.iter().enumerate() {
        events.push(ChatEvent::ToolCallStart {
            index,
            id: call.id.clone(),
            name: call.name.clone(),
            signature: call.signature.clone(),
        });
        events.push(ChatEvent::ToolCallArguments {
            index,
            json: call.arguments.clone(),
        });
    }
    events.push(ChatEvent::Finished {
        reason: answer.finish_reason,
        usage: Usage::default(),
    });
    events
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked() -> ChatRequest {
        let mut request = ChatRequest::new("openai/gpt-4o-mini").system("Be brief.");
        request = request.user("Hi");
        request.temperature = Some(0.0);
        request
    }

    fn place(request: &ChatRequest) -> Option<CachePlace> {
        CachePlace::of(request, Uuid::nil(), None)
    }

    #[test]
    fn whatever_a_model_is_told_makes_another_question() {
        let same = place(&asked());
        assert_eq!(place(&asked()), same);
        let changes: [fn(&mut ChatRequest); 11] = [
            |r| r.model = "openai/gpt-4o".to_owned(),
            |r| r.fallback_models = vec!["openai/gpt-4o".to_owned()],
            |r| r.system = None,
            |r| r.messages.push(Message::user("Hi")),
            |r| r.top_p = Some(0.5),
            |r| r.stop = vec!["x".to_owned()],
            |r| r.max_tokens = Some(1),
            |r| r.output_schema = Some(json!({"type": "object"})),
            |r| r.tool_choice = llm::ToolChoice::None,
            |r| {
                r.tools = llm::Tool::from_json(&json!({"name": "look"}))
                    .into_iter()
                    .collect()
            },
            |r| r.messages[0] = Message::user("hi"),
        ];
        let mut others = vec![same];
        for change in changes {
            let mut request = asked();
            change(&mut request);
            let other = place(&request);
            assert!(other.is_some() && !others.contains(&other), "{request:?}");
            others.push(other);
        }
    }

    #[test]
    fn what_may_be_answered_differently_is_not_looked_for() {
        let mut warm = asked();
        warm.temperature = Some(0.1);
        assert_eq!(place(&warm), None);
        warm.temperature = None;
        assert_eq!(place(&warm), None);
        let mut shown = asked();
        let picture = Part::Image(Picture::Url("https://example.com/now.png".to_owned()));
        shown.messages.push(Message::User {
            content: vec![picture],
        });
        assert_eq!(place(&shown), None);
    }

    #[test]
    fn the_order_of_keys_is_no_difference() {
        let schemas = [
            r#"{"a": {"x": 1, "y": 2}, "b": [1]}"#,
            r#"{"b": [1], "a": {"y": 2, "x": 1}}"#,
        ];
        let [one, other] = schemas.map(|schema| {
            let mut request = asked();
            request.output_schema = serde_json::from_str(schema).unwrap();
            place(&request)
        });
        assert_eq!(one, other);
    }

    #[test]
    fn the_request_has_the_last_word() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
            CacheUse::of(&headers)
        };
        assert_eq!(CacheUse::of(&HeaderMap::new()), CacheUse::Any);
        assert_eq!(of("max-age=60"), CacheUse::Any);
        assert_eq!(of("No-Cache"), CacheUse::Anew);
        assert_eq!(of("private, max-age=0"), CacheUse::Anew);
        assert_eq!(of("no-cache, no-store"), CacheUse::Never);
    }

    #[test]
    fn what_stood_in_or_was_not_checked_is_not_kept() {
        let answer = |model: &str, finish_reason| Completion {
            text: "Hello".to_owned(),
            data: None,
            tool_calls: Vec::new(),
            model: model.to_owned(),
            provider: "openai".to_owned(),
            finish_reason,
            usage: Usage::default(),
            attempts: 1,
        };
        let mut request = asked();
        let keeps = |request: &ChatRequest, answer: &Completion, was_streamed| {
            let keeping = Keeping::new(place(request).unwrap(), request);
            keeping.keep(answer, was_streamed).is_some()
        };
        let good = answer("openai/gpt-4o-mini", FinishReason::Stop);
        assert!(keeps(&request, &good, false) && keeps(&request, &good, true));
        let stand_in = answer("openai/gpt-4o", FinishReason::Stop);
        assert!(!keeps(&request, &stand_in, false));
        let cut = answer("openai/gpt-4o-mini", FinishReason::ContentFilter);
        assert!(!keeps(&request, &cut, false));
        request.output_schema = Some(json!({"type": "object"}));
        assert!(keeps(&request, &good, false) && !keeps(&request, &good, true));
    }
}
