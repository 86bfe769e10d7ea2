//! Asking the database whether a call may be made.

use llm::{ChatRequest, Providers, Tool, tokens_of_request};
use serde_json::Value;
use uuid::Uuid;
use vault::Sealed;

use super::ModelCalls;
use super::meter::{Account, Meter};
use super::own_key::OwnKey;
use crate::database::CallerSession;
use crate::error::ApiError;
use crate::sealing::kept_key;

/// For whom a call is to be made, and what it will probably take.
pub struct Asked<'a> {
    pub session: &'a CallerSession,
    pub tenant_id: Uuid,
    /// `provider/model`, or `agent:<slug>` where agents can be asked.
    pub model: &'a str,
    pub input_tokens: u64,
    /// None: what its agent says, or what is usual.
    pub most_output_tokens: Option<u32>,
}

/// An agent of the tenant that was asked for.
pub struct Agent {
    model: String,
    config: Value,
}

/// A call that may be made: with these providers, and counted by this meter.
pub struct Admitted {
    pub meter: Meter,
    pub providers: Providers,
    pub agent: Option<Agent>,
}

impl ModelCalls {
    /// Admits a call: tokens are set aside, in one round trip beside those of the transaction. What it takes is entered when the meter says so, and at
    /// the latest when that is dropped.
    ///
    /// # Errors
    /// What the database refuses: 402 `quota_exceeded`, 403, 404, 429; `overloaded` when too many are being made; `secrets_not_configured`,
    /// `unavailable` and `internal` when the tenant's own key does not open.
    pub async fn admit(&self, asked: &Asked<'_>) -> Result<Admitted, ApiError> {
        let place = self.place()?;
        let mut transaction = asked.session.begin_as_service().await?;
        let row = sqlx::query!(
            r#"
            select c.reservation as "reservation!", c.user_id, c.api_key_id, c.agent_id, c.agent_model, c.agent_config,
                   c.generation, c.wrapped, c.master_key_id, c.nonce, c.ciphertext
              from edge.begin_model_call($1, $2, $3, $4) c
            "#,
            asked.tenant_id,
            asked.model,
            as_bigint(asked.input_tokens),
            asked.most_output_tokens.map(i64::from),
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;

        let agent = row.agent_model.map(|model| Agent {
            model,
            config: row.agent_config.unwrap_or_default(),
        });
        let account = Account {
            id: Uuid::now_v7(),
            tenant_id: asked.tenant_id,
            reservation: row.reservation,
            user_id: row.user_id,
            api_key_id: row.api_key_id,
            agent_id: row.agent_id,
        };
        let model = agent.as_ref().map_or(asked.model, |agent| &agent.model);
        let provider = model.split_once('/').map_or("", |(provider, _)| provider);
        let mut meter = Meter::new(
            account,
            self.ledger.clone(),
            model.to_owned(),
            asked.input_tokens,
            place,
        );
        let key = (
            row.generation,
            row.wrapped,
            row.master_key_id,
            row.nonce,
            row.ciphertext,
        );
        let (Some(generation), Some(bytes), Some(master_key_id), Some(nonce), Some(ciphertext)) =
            key
        else {
            let providers = self.providers.clone();
            return Ok(Admitted {
                meter,
                providers,
                agent,
            });
        };
        let (place, wrapped) = kept_key(asked.tenant_id, generation, bytes, master_key_id);
        let key = OwnKey {
            place,
            wrapped,
            sealed: Sealed { nonce, ciphertext },
        };
        let vault = self.vault.as_ref();
        match key.put_into(&self.providers, provider, vault).await {
            Ok(providers) => {
                meter.uses_own_key_to(provider);
                Ok(Admitted {
                    meter,
                    providers,
                    agent,
                })
            }
            Err(error) => {
                meter.was_not_made();
                Err(error)
            }
        }
    }

    /// Admits a chat; one with an agent has become one with its model and role.
    ///
    /// # Errors
    /// As [`ModelCalls::admit`].
    pub async fn begin_chat(
        &self,
        session: &CallerSession,
        tenant_id: Uuid,
        request: &mut ChatRequest,
    ) -> Result<(Meter, Providers), ApiError> {
        let asked = Asked {
            session,
            tenant_id,
            model: &request.model,
            input_tokens: tokens_of_request(request),
            most_output_tokens: request.max_tokens,
        };
        let Admitted {
            mut meter,
            providers,
            agent,
        } = self.admit(&asked).await?;
        if let Some(agent) = agent {
            play(request, agent.model, &agent.config);
            meter.will_read(tokens_of_request(request));
        }
        Ok((meter, providers))
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
    if request.fallback_models.is_empty()
        && let Some(Value::Array(models)) = field("fallback_models")
    {
        let models = models.iter().filter_map(Value::as_str);
        request.fallback_models = models.map(str::to_owned).collect();
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
            "fallback_models": ["anthropic/claude-haiku-4-5"],
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
        assert_eq!(request.fallback_models, ["anthropic/claude-haiku-4-5"]);

        request.fallback_models = vec!["gemini/gemini-2.5-flash".to_owned()];
        play(&mut request, "openai/gpt-4o-mini".to_owned(), &config);
        assert_eq!(request.fallback_models, ["gemini/gemini-2.5-flash"]);
    }
}
