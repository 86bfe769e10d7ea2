//! What is asked: the agent's config, and over it what the node says itself.

use llm::{ChatRequest, Tool};
use serde_json::Value;

use super::tools;
use crate::nodes::Failure;
use crate::queue::Agent;

pub(super) fn build(node: &Value, agent: Option<&Agent>) -> Result<ChatRequest, Failure> {
    let field = |name: &str| field(node, agent, name);

    let model = match (agent, node.get("model").and_then(Value::as_str)) {
        (Some(agent), _) => agent.model.clone(),
        (None, Some(model)) => model.to_owned(),
        (None, None) => {
            return Err(Failure::invalid_config(
                "the step names neither an agent nor a model",
            ));
        }
    };
    let mut request = ChatRequest::new(model).user(text(node.get("prompt")));
    request.system = field("system_prompt").map(|prompt| text(Some(prompt)));
    request.temperature = field("temperature").and_then(Value::as_f64);
    request.max_tokens = match field("max_tokens") {
        None => None,
        Some(value) => Some(
            whole_number(value)
                .ok_or_else(|| Failure::invalid_config("max_tokens is not a positive integer"))?,
        ),
    };
    request.output_schema = field("output_schema").cloned();
    if let Some(Value::Array(models)) = field("fallback_models") {
        let models = models.iter().filter_map(Value::as_str);
        request.fallback_models = models.map(str::to_owned).collect();
    }
    if let Some(Value::Array(tools)) = field("tools") {
        let elsewhere = tools.iter().filter(|tool| !tools::is_built_in(tool));
        request.tools = elsewhere.map(tool).collect::<Result<_, _>>()?;
    }
    Ok(request)
}

/// What the node says of it, or else the agent.
pub(super) fn field<'a>(
    node: &'a Value,
    agent: Option<&'a Agent>,
    name: &str,
) -> Option<&'a Value> {
    let configs = std::iter::once(node).chain(agent.map(|agent| &agent.config));
    configs
        .filter_map(|config| config.get(name))
        .find(|value| !value.is_null())
}

/// A prompt that is one template keeps the type of its value; a model reads text.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The database's check also lets the number be written as text.
pub(super) fn whole_number(value: &Value) -> Option<u32> {
    let number = match value {
        Value::String(text) => text.parse().ok()?,
        other => other.as_u64()?,
    };
    u32::try_from(number).ok().filter(|number| *number > 0)
}

fn tool(value: &Value) -> Result<Tool, Failure> {
    Tool::from_json(value)
        .ok_or_else(|| Failure::invalid_config("a tool is not {name, description, parameters}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_node_speaks_over_the_agent() {
        let agent = Agent {
            id: Uuid::nil(),
            version: 1,
            is_listed: false,
            model: "openai/gpt-4o-mini".to_owned(),
            config: json!({"temperature": 0.2, "max_tokens": "100", "system_prompt": "Be kind.", "tools": [
                {"type": "function", "function": {"name": "look", "description": "Looks."}}]}),
        };
        let node = json!({"agent_id": "x", "prompt": {"a": 1}, "system_prompt": "Be brief.", "max_tokens": null});
        let request = build(&node, Some(&agent)).unwrap();
        assert_eq!(request.model, "openai/gpt-4o-mini");
        assert_eq!(request.system.as_deref(), Some("Be brief."));
        assert_eq!(request.temperature, Some(0.2));
        assert_eq!(request.max_tokens, Some(100));
        assert_eq!(request.tools[0].name, "look");
        assert_eq!(request.messages, [llm::Message::user("{\"a\":1}")]);
    }

    #[test]
    fn somebody_has_to_answer() {
        assert_eq!(
            build(&json!({"prompt": "x"}), None).unwrap_err().code,
            "invalid_config"
        );
        let strange = json!({"model": "a/b", "prompt": "x", "max_tokens": 0});
        assert_eq!(build(&strange, None).unwrap_err().code, "invalid_config");
    }
}
