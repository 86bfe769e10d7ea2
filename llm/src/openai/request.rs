//! A [`ChatRequest`] in OpenAI's words.

use serde_json::{Map, Value, json};

use crate::structured::{self, Enforcement};
use crate::{ChatRequest, Message, Part, Picture, Tool, ToolCall, ToolChoice};

/// Where OpenAI itself and those who follow it differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAi,
    Compatible,
}

impl Dialect {
    pub(super) fn of_host(host: Option<&str>) -> Self {
        if host == Some("api.openai.com") {
            Self::OpenAi
        } else {
            Self::Compatible
        }
    }

    /// OpenAI's reasoning models refuse the old name; many others know only that.
    fn max_tokens(self) -> &'static str {
        match self {
            Self::OpenAi => "max_completion_tokens",
            Self::Compatible => "max_tokens",
        }
    }
}

pub(super) fn body(model: &str, request: &ChatRequest, dialect: Dialect) -> Value {
    let enforcement = structured::enforcement(request.output_schema.as_ref());
    let mut body = json!({
        "model": model,
        "messages": messages(request, &enforcement),
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    let fields = body
        .as_object_mut()
        .expect("the literal above is an object");
    if let Some(temperature) = request.temperature {
        fields.insert("temperature".into(), temperature.into());
    }
    if let Some(top_p) = request.top_p {
        fields.insert("top_p".into(), top_p.into());
    }
    if !request.stop.is_empty() {
        fields.insert("stop".into(), request.stop.clone().into());
    }
    if let Some(max_tokens) = request.max_tokens {
        fields.insert(dialect.max_tokens().into(), max_tokens.into());
    }
    if let Enforcement::Schema(schema) = &enforcement {
        let format = json!({ "name": "output", "schema": schema, "strict": is_strict(schema) });
        fields.insert(
            "response_format".into(),
            json!({ "type": "json_schema", "json_schema": format }),
        );
    }
    if !request.tools.is_empty() {
        fields.insert("tools".into(), request.tools.iter().map(tool).collect());
        fields.insert("tool_choice".into(), tool_choice(&request.tool_choice));
    }
    body
}

fn messages(request: &ChatRequest, enforcement: &Enforcement) -> Vec<Value> {
    let system = enforcement.system(request.system.as_deref());
    let system = system.map(|text| json!({ "role": "system", "content": text }));
    system
        .into_iter()
        .chain(request.messages.iter().map(message))
        .collect()
}

fn message(message: &Message) -> Value {
    match message {
        Message::User { content } => json!({ "role": "user", "content": parts(content) }),
        Message::Assistant {
            content,
            tool_calls,
        } => {
            let mut turn = Map::from_iter([("role".into(), "assistant".into())]);
            if !content.is_empty() || tool_calls.is_empty() {
                turn.insert("content".into(), parts(content));
            }
            if !tool_calls.is_empty() {
                turn.insert(
                    "tool_calls".into(),
                    tool_calls.iter().map(tool_call).collect(),
                );
            }
            turn.into()
        }
        Message::Tool {
            tool_call_id,
            content,
            ..
        } => {
            json!({ "role": "tool", "tool_call_id": tool_call_id, "content": content })
        }
    }
}

/// One text is written as a string, which every server understands; a list of parts is not.
fn parts(parts: &[Part]) -> Value {
    match parts {
        [] => "".into(),
        [Part::Text { text }] => text.as_str().into(),
        many => many
            .iter()
            .map(|part| match part {
                Part::Text { text } => json!({ "type": "text", "text": text }),
                Part::Image(image) => {
                    json!({ "type": "image_url", "image_url": { "url": url(image) } })
                }
            })
            .collect(),
    }
}

/// <https://platform.openai.com/docs/guides/images-vision>
fn url(image: &Picture) -> String {
    match image {
        Picture::Url(url) => url.clone(),
        Picture::Data { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
    }
}

fn tool_call(call: &ToolCall) -> Value {
    let arguments = if call.arguments.trim().is_empty() {
        "{}"
    } else {
        &call.arguments
    };
    json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.name, "arguments": arguments },
    })
}

fn tool(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "function": { "name": tool.name, "description": tool.description, "parameters": tool.parameters },
    })
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => json!({ "type": "function", "function": { "name": name } }),
    }
}

/// Whether the schema keeps to the subset that OpenAI enforces token by token. Outside of it `strict` is refused, and the
/// schema is only shown to the model: <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>.
fn is_strict(schema: &Value) -> bool {
    const KEYWORDS: [&str; 17] = [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "description",
        "title",
        "$defs",
        "$ref",
        "minimum",
        "maximum",
        "pattern",
        "minItems",
        "maxItems",
    ];
    let Some(fields) = schema.as_object() else {
        return false;
    };
    if !fields
        .keys()
        .all(|keyword| KEYWORDS.contains(&keyword.as_str()))
    {
        return false;
    }
    let no_properties = Map::new();
    let properties = fields
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&no_properties);
    if fields.get("type").is_some_and(|kind| kind == "object") || !properties.is_empty() {
        let required: Vec<&str> = fields
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let closed = fields.get("additionalProperties") == Some(&Value::Bool(false));
        if !closed
            || !properties
                .keys()
                .all(|name| required.contains(&name.as_str()))
        {
            return false;
        }
    }
    let definitions = fields
        .get("$defs")
        .and_then(Value::as_object)
        .unwrap_or(&no_properties);
    let choices = fields
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    properties
        .values()
        .chain(definitions.values())
        .chain(choices)
        .chain(fields.get("items"))
        .all(is_strict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_whole_conversation() {
        let call = ToolCall {
            id: "c1".into(),
            name: "weather".into(),
            arguments: String::new(),
            signature: None,
        };
        let mut request = ChatRequest::new("openai/m").system("Be kind.").user("Hi");
        request.messages.push(Message::Assistant {
            content: Vec::new(),
            tool_calls: vec![call.clone()],
        });
        request.messages.push(Message::tool_result(&call, "sunny"));
        request.max_tokens = Some(7);
        request.temperature = Some(0.5);
        assert_eq!(
            body("m", &request, Dialect::Compatible),
            json!({
                "model": "m",
                "messages": [
                    { "role": "system", "content": "Be kind." },
                    { "role": "user", "content": "Hi" },
                    { "role": "assistant", "tool_calls": [
                        { "id": "c1", "type": "function", "function": { "name": "weather", "arguments": "{}" } }
                    ] },
                    { "role": "tool", "tool_call_id": "c1", "content": "sunny" },
                ],
                "stream": true,
                "stream_options": { "include_usage": true },
                "temperature": 0.5,
                "max_tokens": 7,
            })
        );
        assert_eq!(
            body("m", &request, Dialect::OpenAi)["max_completion_tokens"],
            7
        );
    }

    #[test]
    fn a_schema_is_enforced_as_far_as_it_can_be() {
        let closed = json!({ "type": "object", "properties": { "a": { "type": "array", "items": { "type": "string" } } },
            "required": ["a"], "additionalProperties": false });
        let open = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
        let format = |schema: &Value| {
            let mut request = ChatRequest::new("openai/m").user("x");
            request.output_schema = Some(schema.clone());
            body("m", &request, Dialect::OpenAi)
        };
        assert_eq!(
            format(&closed)["response_format"]["json_schema"]["strict"],
            true
        );
        assert_eq!(
            format(&open)["response_format"]["json_schema"]["strict"],
            false
        );
        // A list at the root is not accepted as a format, so the model is told.
        let list = format(&json!({ "type": "array", "items": closed }));
        assert!(list.get("response_format").is_none());
        assert!(
            list["messages"][0]["content"]
                .as_str()
                .unwrap()
                .contains("\"array\"")
        );
    }

    #[test]
    fn shows_pictures_and_stops_where_it_is_told() {
        let picture = Picture::from_url("data:image/png;base64,AAAA").unwrap();
        let elsewhere = Picture::from_url("https://a.test/cat.png").unwrap();
        let mut request = ChatRequest::new("p/m");
        request.top_p = Some(0.5);
        request.stop = vec!["END".into()];
        request.messages.push(Message::User {
            content: vec![
                Part::text("What is it?"),
                Part::Image(picture),
                Part::Image(elsewhere),
            ],
        });
        let body = body("m", &request, Dialect::OpenAi);
        assert_eq!(
            body["messages"][0]["content"],
            json!([
                { "type": "text", "text": "What is it?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
                { "type": "image_url", "image_url": { "url": "https://a.test/cat.png" } },
            ])
        );
        assert_eq!(
            (&body["top_p"], &body["stop"]),
            (&json!(0.5), &json!(["END"]))
        );
    }
}
