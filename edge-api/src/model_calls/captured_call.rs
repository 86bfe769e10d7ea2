//! What was asked and answered, for tenants that want it kept.

use chrono::{DateTime, Utc};
use llm::{ChatRequest, Completion, Message, Part};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::masking::masked_json;

/// Of what was asked, and of what was answered: as much as fits into the table with what it writes between.
const MOST_BYTES: usize = 96 * 1024;
/// What is longer is cut, until all of it fits.
const LONGEST_TEXTS: [usize; 5] = [64 * 1024, 16 * 1024, 4 * 1024, 1024, 128];

/// A call, as `edge.keep_contents` takes it. It is masked right before it goes there, and cannot be printed: nothing of it goes to a log.
#[derive(Serialize)]
pub struct CapturedCall {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub user_id: Option<Uuid>,
    pub api_key_id: Option<Uuid>,
    pub agent_id: Option<Uuid>,
    pub model: String,
    pub asked: Value,
    pub answered: Option<Value>,
    pub is_whole: bool,
    pub ended_at: DateTime<Utc>,
}

impl CapturedCall {
    /// What a model is told, without pictures.
    pub fn question(request: &ChatRequest) -> Value {
        let messages: Vec<Message> = request.messages.iter().map(without_pictures).collect();
        let mut asked = json!({"messages": messages});
        if let Some(system) = &request.system {
            asked["system"] = system.as_str().into();
        }
        if !request.tools.is_empty() {
            asked["tools"] = json!(request.tools);
        }
        asked
    }

    pub fn answer(answer: &Completion) -> Option<Value> {
        let is_silent = answer.text.is_empty() && answer.tool_calls.is_empty();
        (!is_silent).then(|| json!({"text": answer.text, "tool_calls": answer.tool_calls}))
    }

    /// As it may be kept. First masked and then cut, or half of a number would be left that nobody recognises.
    pub fn masked(mut self) -> Self {
        let (asked, asked_is_whole) = cut(masked_json(&self.asked));
        let answered = self.answered.map(|answered| cut(masked_json(&answered)));
        self.asked = asked;
        let (answered, answered_is_whole) = answered.unzip();
        self.answered = answered;
        self.is_whole &= asked_is_whole && answered_is_whole.unwrap_or(true);
        self
    }
}

fn without_pictures(message: &Message) -> Message {
    let mut message = message.clone();
    if let Message::User { content } = &mut message {
        for part in content {
            if !matches!(part, Part::Text { .. }) {
                *part = Part::Text {
                    text: "[picture]".to_owned(),
                };
            }
        }
    }
    message
}

/// What fits, and whether that is all of it.
fn cut(value: Value) -> (Value, bool) {
    if size(&value) <= MOST_BYTES {
        return (value, true);
    }
    for longest in LONGEST_TEXTS {
        let shorter = with_texts_up_to(&value, longest);
        if size(&shorter) <= MOST_BYTES {
            return (shorter, false);
        }
    }
    ("[too long]".into(), false)
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

fn with_texts_up_to(value: &Value, longest: usize) -> Value {
    match value {
        Value::String(text) if text.len() > longest => {
            let end = text.floor_char_boundary(longest);
            format!("{}…", &text[..end]).into()
        }
        Value::Array(items) => items
            .iter()
            .map(|item| with_texts_up_to(item, longest))
            .collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields =
                fields.map(|(name, value)| (name.clone(), with_texts_up_to(value, longest)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use llm::Picture;

    use super::*;

    fn captured(asked: Value) -> CapturedCall {
        CapturedCall {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            user_id: None,
            api_key_id: None,
            agent_id: None,
            model: "openai/gpt-4o-mini".to_owned(),
            asked,
            answered: None,
            is_whole: true,
            ended_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn pictures_are_not_kept() {
        let mut request = ChatRequest::new("openai/gpt-4o-mini").system("Be brief.");
        let text = Part::Text {
            text: "What is this?".to_owned(),
        };
        let picture = Part::Image(Picture::Url("https://example.com/me.png".to_owned()));
        request.messages.push(Message::User {
            content: vec![text, picture],
        });
        let text = |text: &str| json!({"type": "text", "text": text});
        assert_eq!(
            CapturedCall::question(&request),
            json!({"system": "Be brief.", "messages": [{"role": "user", "content": [text("What is this?"), text("[picture]")]}]})
        );
    }

    #[test]
    fn what_is_too_long_is_cut_after_it_is_masked() {
        // The address lies across the place of the cut.
        let long = format!(
            "{} someone@example.com {}",
            "x".repeat(64 * 1024 - 7),
            "é".repeat(MOST_BYTES)
        );
        let kept = captured(json!([long, "short"])).masked();
        assert!(!kept.is_whole);
        let text = kept.asked[0].as_str().unwrap();
        assert!(text.ends_with("x [email…"), "{}", &text[text.len() - 20..]);
        assert_eq!(kept.asked[1], "short");

        let many = captured(json!(vec!["y"; MOST_BYTES])).masked();
        assert_eq!((many.asked, many.is_whole), (json!("[too long]"), false));
        let whole = captured(json!(["short"])).masked();
        assert_eq!((whole.asked, whole.is_whole), (json!(["short"]), true));
    }
}
