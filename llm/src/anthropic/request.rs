//! A [`ChatRequest`] in Anthropic's words.

use serde_json::{Value, json};

use crate::structured::{self, Enforcement};
use crate::{ChatRequest, Message, Part, Picture, Tool, ToolCall, ToolChoice};

/// The API wants a limit; this one every model accepts.
const DEFAULT_MAX_TOKENS: u32 = 4096;

/// Structured output is asked for as the arguments of a tool that has to be called. Every model can do that, the native
/// output format only the newer ones. The event mapper turns the call back into text.
pub(super) const OUTPUT_TOOL: &str = "structured_output";

pub(super) fn body(model: &str, request: &ChatRequest) -> Value {
    let enforcement = structured::enforcement(request.output_schema.as_ref());
    let mut body = json!({
        "model": model,
        "max_tokens": request.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        "messages": messages(&request.messages),
        "stream": true,
    });
    let fields = body
        .as_object_mut()
        .expect("the literal above is an object");
    if let Some(system) = enforcement.system(request.system.as_deref()) {
        fields.insert("system".into(), system.into());
    }
    if let Some(temperature) = request.temperature {
        // Others go up to 2. A request that may fall back between providers must not fail on that.
        fields.insert("temperature".into(), temperature.min(1.0).into());
    }
    if let Some(top_p) = request.top_p {
        fields.insert("top_p".into(), top_p.into());
    }
    if !request.stop.is_empty() {
        fields.insert("stop_sequences".into(), request.stop.clone().into());
    }
    let mut tools: Vec<Value> = request.tools.iter().map(tool).collect();
    let mut choice = tool_choice(&request.tool_choice);
    if let Enforcement::Schema(schema) = enforcement {
        choice = match &request.tool_choice {
            ToolChoice::Named(_) => choice,
            ToolChoice::Auto | ToolChoice::Required if !tools.is_empty() => {
                json!({ "type": "any" })
            }
            _ => json!({ "type": "tool", "name": OUTPUT_TOOL }),
        };
        tools.push(json!({
            "name": OUTPUT_TOOL,
            "description": "Gives the final answer. Call it once, when the answer is known.",
            "input_schema": schema,
        }));
    }
    if !tools.is_empty() {
        fields.insert("tools".into(), tools.into());
        fields.insert("tool_choice".into(), choice);
    }
    body
}

/// Turns of the same role become one: the results of parallel calls have to stand together.
fn messages(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let (role, blocks) = blocks(message);
        match turns.last_mut() {
            Some((last, content)) if *last == role => content.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    turns
        .into_iter()
        .filter(|(_, content)| !content.is_empty())
        .map(|(role, content)| json!({ "role": role, "content": content }))
        .collect()
}

fn blocks(message: &Message) -> (&'static str, Vec<Value>) {
    match message {
        Message::User { content } => ("user", content.iter().filter_map(block).collect()),
        Message::Assistant {
            content,
            tool_calls,
        } => (
            "assistant",
            content
                .iter()
                .filter(|part| matches!(part, Part::Text { .. }))
                .filter_map(block)
                .chain(tool_calls.iter().map(tool_use))
                .collect(),
        ),
        Message::Tool {
            tool_call_id,
            content,
            is_error,
            ..
        } => {
            let result = json!({
                "type": "tool_result",
                "tool_use_id": tool_call_id,
                "content": content,
                "is_error": is_error,
            });
            ("user", vec![result])
        }
    }
}

/// The API refuses empty text.
fn block(part: &Part) -> Option<Value> {
    match part {
        Part::Text { text } => (!text.is_empty()).then(|| json!({ "type": "text", "text": text })),
        Part::Image(image) => Some(json!({ "type": "image", "source": source(image) })),
    }
}

/// <https://platform.claude.com/docs/en/build-with-claude/vision>
fn source(image: &Picture) -> Value {
    match image {
        Picture::Url(url) => json!({ "type": "url", "url": url }),
        Picture::Data { media_type, base64 } => {
            json!({ "type": "base64", "media_type": media_type, "data": base64 })
        }
    }
}

fn tool_use(call: &ToolCall) -> Value {
    // An object is wanted; arguments that are none were refused by their tool, and the model has read so.
    let input = call
        .parsed_arguments()
        .ok()
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
    json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
}

fn tool(tool: &Tool) -> Value {
    json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters })
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({ "type": "auto" }),
        ToolChoice::None => json!({ "type": "none" }),
        ToolChoice::Required => json!({ "type": "any" }),
        ToolChoice::Named(name) => json!({ "type": "tool", "name": name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_parallel_calls_stand_in_one_turn() {
        let call = |id: &str| ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: r#"{"a":1}"#.into(),
            signature: None,
        };
        let mut request = ChatRequest::new("anthropic/m").system("S").user("Hi");
        request.temperature = Some(1.7);
        request.messages.push(Message::Assistant {
            content: vec![Part::text("")],
            tool_calls: vec![call("1"), call("2")],
        });
        request
            .messages
            .push(Message::tool_result(&call("1"), "one"));
        request
            .messages
            .push(Message::tool_result(&call("2"), "two"));
        request.messages.push(Message::user("go on"));
        assert_eq!(
            body("m", &request),
            json!({
                "model": "m",
                "max_tokens": 4096,
                "system": "S",
                "temperature": 1.0,
                "stream": true,
                "messages": [
                    { "role": "user", "content": [{ "type": "text", "text": "Hi" }] },
                    { "role": "assistant", "content": [
                        { "type": "tool_use", "id": "1", "name": "f", "input": { "a": 1 } },
                        { "type": "tool_use", "id": "2", "name": "f", "input": { "a": 1 } },
                    ] },
                    { "role": "user", "content": [
                        { "type": "tool_result", "tool_use_id": "1", "content": "one", "is_error": false },
                        { "type": "tool_result", "tool_use_id": "2", "content": "two", "is_error": false },
                        { "type": "text", "text": "go on" },
                    ] },
                ],
            })
        );
    }

    #[test]
    fn structured_output_is_a_tool_that_has_to_be_called() {
        let schema = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
        let mut request = ChatRequest::new("anthropic/m").user("x");
        request.output_schema = Some(schema.clone());
        let alone = body("m", &request);
        assert_eq!(
            alone["tool_choice"],
            json!({ "type": "tool", "name": OUTPUT_TOOL })
        );
        assert_eq!(alone["tools"][0]["input_schema"], schema);

        request.tools.push(Tool {
            name: "f".into(),
            description: String::new(),
            parameters: json!({}),
        });
        assert_eq!(body("m", &request)["tool_choice"], json!({ "type": "any" }));
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
        let body = body("m", &request);
        assert_eq!(
            body["messages"][0]["content"],
            json!([
                { "type": "text", "text": "What is it?" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } },
                { "type": "image", "source": { "type": "url", "url": "https://a.test/cat.png" } },
            ])
        );
        assert_eq!(
            (&body["top_p"], &body["stop_sequences"]),
            (&json!(0.5), &json!(["END"]))
        );
    }
}
