//! Agents of the tenant, and what their settings make of a request.

use llm::{ChatRequest, Tool, tokens_of_text};
use serde_json::Value;
use uuid::Uuid;

use crate::agent_tools::has_tools;

/// An agent of the tenant that was asked for.
pub struct Agent {
    pub(super) id: Uuid,
    /// Which `model` and `config` are of.
    pub(super) version: Option<i32>,
    pub(super) model: String,
    pub(super) config: Value,
    /// What its model is told of the tools that run here, probably; 0 where there are none.
    pub(super) tool_tokens: u64,
}

impl Agent {
    pub(super) fn new(id: Uuid, version: Option<i32>, model: String, config: Value) -> Self {
        let chars = |field: &str| config.get(field).map_or(0, |value| value.to_string().len());
        let tool_tokens = match has_tools(&config) {
            true => tokens_of_text(chars("tools") + chars("mcp_servers")),
            false => 0,
        };
        Self {
            id,
            version,
            model,
            config,
            tool_tokens,
        }
    }

    pub(super) fn has_tools(&self) -> bool {
        self.tool_tokens > 0
    }
}

/// Makes the request one to an agent: its model and its role, and whatever else the request leaves open.
pub(super) fn play(request: &mut ChatRequest, model: String, config: &Value) {
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
        // Those of other types run here, and are not the client's to see.
        let declared = tools.iter().filter(|tool| {
            let kind = tool.get("type").and_then(Value::as_str);
            kind.is_none_or(|kind| kind == "function")
        });
        request.tools = declared.filter_map(Tool::from_json).collect();
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
            "tools": [{"type": "http", "name": "fetch", "description": "Fetches.", "allow": ["https://example.com/"]},
                      {"type": "function", "function": {"name": "look", "description": "Looks."}}]});
        let mut request = ChatRequest::new("agent:greeter")
            .system("Be brief.")
            .user("Hi");
        request.temperature = Some(1.0);
        play(&mut request, "openai/gpt-4o-mini".to_owned(), &config);
        assert_eq!(request.model, "openai/gpt-4o-mini");
        assert_eq!(request.system.as_deref(), Some("Be kind.\n\nBe brief."));
        assert_eq!(request.temperature, Some(1.0));
        assert_eq!(request.max_tokens, Some(100));
        assert_eq!(request.tools.len(), 1);
        assert_eq!(request.tools[0].name, "look");
        assert_eq!(request.fallback_models, ["anthropic/claude-haiku-4-5"]);

        request.fallback_models = vec!["gemini/gemini-2.5-flash".to_owned()];
        play(&mut request, "openai/gpt-4o-mini".to_owned(), &config);
        assert_eq!(request.fallback_models, ["gemini/gemini-2.5-flash"]);
    }
}
