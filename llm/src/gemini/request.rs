//! A [`ChatRequest`] in Gemini's words.

use serde_json::{Map, Value, json};

use crate::structured::Enforcement;
use crate::{ChatRequest, Message, Part, Picture, Tool, ToolCall, ToolChoice, wire};

pub(super) fn body(request: &ChatRequest) -> Value {
    let mut body = Map::new();
    let mut config = Map::new();
    // The format is refused beside tools; then the model is told in words. Any schema may stand at the root here.
    let enforcement = match &request.output_schema {
        None => Enforcement::None,
        Some(schema) if request.tools.is_empty() => {
            config.insert("responseMimeType".into(), "application/json".into());
            config.insert("responseJsonSchema".into(), schema.clone());
            Enforcement::None
        }
        Some(schema) => Enforcement::Instruction(schema),
    };
    if let Some(system) = enforcement.system(request.system.as_deref()) {
        body.insert(
            "systemInstruction".into(),
            json!({ "parts": [{ "text": system }] }),
        );
    }
    body.insert("contents".into(), contents(&request.messages).into());
    if let Some(temperature) = request.temperature {
        config.insert("temperature".into(), temperature.into());
    }
    if let Some(top_p) = request.top_p {
        config.insert("topP".into(), top_p.into());
    }
    if !request.stop.is_empty() {
        config.insert("stopSequences".into(), request.stop.clone().into());
    }
    if let Some(max_tokens) = request.max_tokens {
        config.insert("maxOutputTokens".into(), max_tokens.into());
    }
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".into(), json!([{ "functionDeclarations": tools }]));
        body.insert(
            "toolConfig".into(),
            json!({ "functionCallingConfig": tool_choice(&request.tool_choice) }),
        );
    }
    body.into()
}

/// Turns of the same role become one: the results of parallel calls have to stand together.
fn contents(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let (role, parts) = parts(message);
        match turns.last_mut() {
            Some((last, content)) if *last == role => content.extend(parts),
            _ => turns.push((role, parts)),
        }
    }
    turns
        .into_iter()
        .filter(|(_, parts)| !parts.is_empty())
        .map(|(role, parts)| json!({ "role": role, "parts": parts }))
        .collect()
}

fn parts(message: &Message) -> (&'static str, Vec<Value>) {
    match message {
        Message::User { content } => ("user", content.iter().filter_map(part).collect()),
        Message::Assistant {
            content,
            tool_calls,
        } => (
            "model",
            content
                .iter()
                .filter(|piece| matches!(piece, Part::Text { .. }))
                .filter_map(part)
                .chain(tool_calls.iter().map(function_call))
                .collect(),
        ),
        Message::Tool {
            tool_call_id,
            name,
            content,
            is_error,
        } => {
            // An object is wanted.
            let response = match serde_json::from_str(content) {
                Ok(Value::Object(object)) if !is_error => Value::Object(object),
                _ if *is_error => json!({ "error": content }),
                _ => json!({ "result": content }),
            };
            let result = with_id(json!({ "name": name, "response": response }), tool_call_id);
            ("user", vec![json!({ "functionResponse": result })])
        }
    }
}

fn part(part: &Part) -> Option<Value> {
    match part {
        Part::Text { text } => (!text.is_empty()).then(|| json!({ "text": text })),
        Part::Image(image) => Some(picture(image)),
    }
}

/// <https://ai.google.dev/gemini-api/docs/file-input-methods>
fn picture(image: &Picture) -> Value {
    match image {
        Picture::Url(url) => json!({ "fileData": { "fileUri": url } }),
        Picture::Data { media_type, base64 } => {
            json!({ "inlineData": { "mimeType": media_type, "data": base64 } })
        }
    }
}

fn function_call(call: &ToolCall) -> Value {
    let args = call
        .parsed_arguments()
        .ok()
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
    let mut part =
        json!({ "functionCall": with_id(json!({ "name": call.name, "args": args }), &call.id) });
    // Newer models refuse a conversation that lost it: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
    if let Some(signature) = &call.signature {
        part["thoughtSignature"] = signature.as_str().into();
    }
    part
}

fn with_id(mut value: Value, id: &str) -> Value {
    if !wire::is_local_id(id) {
        value["id"] = id.into();
    }
    value
}

fn tool(tool: &Tool) -> Value {
    json!({ "name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters })
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({ "mode": "AUTO" }),
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::Named(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_handed_back_as_it_came() {
        let call = ToolCall {
            id: wire::new_call_id(),
            name: "f".into(),
            arguments: r#"{"a":1}"#.into(),
            signature: Some("sig".into()),
        };
        let mut request = ChatRequest::new("gemini/m").system("S").user("Hi");
        request.messages.push(Message::Assistant {
            content: Vec::new(),
            tool_calls: vec![call.clone()],
        });
        request.messages.push(Message::tool_result(&call, "one"));
        let named = ToolCall {
            id: "theirs".into(),
            ..call
        };
        request
            .messages
            .push(Message::tool_result(&named, r#"{"b":2}"#));
        assert_eq!(
            body(&request),
            json!({
                "systemInstruction": { "parts": [{ "text": "S" }] },
                "contents": [
                    { "role": "user", "parts": [{ "text": "Hi" }] },
                    { "role": "model", "parts": [
                        { "functionCall": { "name": "f", "args": { "a": 1 } }, "thoughtSignature": "sig" },
                    ] },
                    { "role": "user", "parts": [
                        { "functionResponse": { "name": "f", "response": { "result": "one" } } },
                        { "functionResponse": { "name": "f", "response": { "b": 2 }, "id": "theirs" } },
                    ] },
                ],
            })
        );
    }

    #[test]
    fn a_schema_beside_tools_is_told_in_words() {
        let schema = json!({ "type": "array" });
        let mut request = ChatRequest::new("gemini/m").user("x");
        request.output_schema = Some(schema.clone());
        assert_eq!(
            body(&request)["generationConfig"]["responseJsonSchema"],
            schema
        );

        request.tools.push(Tool {
            name: "f".into(),
            description: String::new(),
            parameters: json!({}),
        });
        let body = body(&request);
        assert!(body.get("generationConfig").is_none());
        assert!(
            body["systemInstruction"]["parts"][0]["text"]
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
        let body = body(&request);
        assert_eq!(
            body["contents"][0]["parts"],
            json!([
                { "text": "What is it?" },
                { "inlineData": { "mimeType": "image/png", "data": "AAAA" } },
                { "fileData": { "fileUri": "https://a.test/cat.png" } },
            ])
        );
        let config = &body["generationConfig"];
        assert_eq!(
            (&config["topP"], &config["stopSequences"]),
            (&json!(0.5), &json!(["END"]))
        );
    }
}
