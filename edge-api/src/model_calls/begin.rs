//! Asking the database whether a call may be made.

use llm::{ChatRequest, Tool, tokens_of_request};
use serde_json::Value;
use uuid::Uuid;

use super::ModelCalls;
use super::meter::{Account, Meter};
use crate::database::CallerSession;
use crate::error::ApiError;

const AGENT: &str = "agent:";

/// A call as its caller wants it. `request.model` is `provider/model` or `agent:<slug>`.
pub struct Asked {
    pub session: CallerSession,
    pub tenant_id: Uuid,
    pub request: ChatRequest,
}

/// A call that was admitted. What it takes is entered when the meter says so, and at the latest when it is dropped.
pub struct Begun {
    pub request: ChatRequest,
    pub meter: Meter,
}

impl ModelCalls {
    /// Sets aside what the call will probably take, in one round trip beside those of the transaction.
    ///
    /// # Errors
    /// What the database refuses: 402 `quota_exceeded`, 403, 404, 429; `overloaded` when too many are being made.
    pub async fn begin(&self, asked: Asked) -> Result<Begun, ApiError> {
        let Asked {
            session,
            tenant_id,
            mut request,
        } = asked;
        let place = self.place()?;
        let agent = request.model.strip_prefix(AGENT);
        let mut transaction = session.begin_as_service().await?;
        let admitted = sqlx::query!(
            r#"
            select c.reservation as "reservation!", c.user_id, c.api_key_id, c.agent_id, c.agent_model, c.agent_config
              from edge.begin_model_call($1, $2, $3, $4) c
            "#,
            tenant_id,
            agent,
            as_bigint(tokens_of_request(&request)),
            request.max_tokens.map(i64::from),
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;

        if let Some(model) = admitted.agent_model {
            play(
                &mut request,
                model,
                &admitted.agent_config.unwrap_or(Value::Null),
            );
        }
        let account = Account {
            id: Uuid::now_v7(),
            tenant_id,
            reservation: admitted.reservation,
            user_id: admitted.user_id,
            api_key_id: admitted.api_key_id,
            agent_id: admitted.agent_id,
        };
        let meter = Meter::new(
            account,
            self.ledger.clone(),
            request.model.clone(),
            tokens_of_request(&request),
            place,
        );
        Ok(Begun { request, meter })
    }
}

/// More than fits is more than any plan has.
fn as_bigint(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX / 4)
}

/// Makes the request one to an agent: its model and its role, and whatever else the request leaves open.
fn play(request: &mut ChatRequest, model: String, config: &Value) {
    let field = |name: &str| config.get(name).filter(|value| !value.is_null());
    request.model = model;
    if let Some(role) = field("system_prompt").and_then(Value::as_str) {
        request.system = Some(match request.system.take() {
            Some(more) => format!("{role}\n\n{more}"),
            None => role.to_owned(),
        });
    }
    request.temperature = request
        .temperature
        .or_else(|| field("temperature").and_then(Value::as_f64));
    request.max_tokens = request
        .max_tokens
        .or_else(|| field("max_tokens").and_then(whole_number));
    if request.output_schema.is_none() {
        request.output_schema = field("output_schema").cloned();
    }
    if request.tools.is_empty()
        && let Some(Value::Array(tools)) = field("tools")
    {
        request.tools = tools.iter().filter_map(Tool::from_json).collect();
    }
}

/// The table's check also lets the number be written as text.
fn whole_number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => u32::try_from(other.as_u64()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_has_its_role_and_the_request_the_last_word() {
        let config = json!({"system_prompt": "Be kind.", "temperature": 0.2, "max_tokens": "100",
            "tools": [{"type": "function", "function": {"name": "look", "description": "Looks."}}]});
        let mut request = ChatRequest::new("agent:greeter")
            .system("Be brief.")
            .user("Hi");
        request.temperature = Some(1.0);
        play(&mut request, "openai/gpt-4o-mini".to_owned(), &config);
        assert_eq!(request.model, "openai/gpt-4o-mini");
        assert_eq!(request.system.as_deref(), Some("Be kind.\n\nBe brief."));
        assert_eq!(request.temperature, Some(1.0));
        assert_eq!(request.max_tokens, Some(100));
        assert_eq!(request.tools[0].name, "look");
    }
}
