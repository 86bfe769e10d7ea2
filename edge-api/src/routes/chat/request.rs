//! What OpenAI's clients ask, read into the words of the crate `llm`.

use std::collections::BTreeMap;

use llm::{ChatRequest, Message, Part, Picture, Tool, ToolCall, ToolChoice};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::ApiError;

/// The fields of OpenAI's request that mean something here. Others are passed over, but for those that would ask for another kind of answer.
#[derive(Deserialize, ToSchema)]
pub struct ChatCompletionRequest {
    /// `provider/model`, or `agent:<slug>` for an agent of the tenant.
    #[schema(example = "openai/gpt-4o-mini")]
    model: String,
    /// Who is asked when the model fails before its first word, one after the other: `provider/model`, at most 8. As OpenRouter names it.
    #[serde(default)]
    #[schema(example = json!(["anthropic/claude-haiku-4-5"]))]
    models: Option<Vec<String>>,
    #[schema(value_type = Vec<Object>, example = json!([{"role": "user", "content": "Hello!"}]))]
    messages: Vec<Turn>,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!({"include_usage": true}))]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    /// A text, or several.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    stop: Option<Stop>,
    #[serde(default)]
    max_tokens: Option<u32>,
    /// The newer name of `max_tokens`.
    #[serde(default)]
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Vec<Function>>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    tool_choice: Option<Value>,
    /// `{"type": "json_schema", "json_schema": {"schema": ...}}`, `json_object` or `text`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    response_format: Option<Value>,
    /// Only 1.
    #[serde(default)]
    n: Option<u32>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    tool_calls: Option<Vec<CalledFunction>>,
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Deserialize)]
struct ContentPart {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    image_url: Option<ImageUrl>,
}

#[derive(Deserialize)]
struct ImageUrl {
    url: String,
}

#[derive(Deserialize)]
struct Function {
    function: Option<FunctionDefinition>,
}

#[derive(Deserialize)]
struct FunctionDefinition {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Value>,
}

#[derive(Deserialize)]
struct CalledFunction {
    id: String,
    function: Option<CalledWith>,
    /// Where Google keeps what it wants to see again: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
    #[serde(default)]
    extra_content: Option<Value>,
}

#[derive(Deserialize)]
struct CalledWith {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// Fields that ask for something that is not to be had here; in vain they would be missed.
const NOT_HAD: [&str; 6] = [
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "audio",
    "functions",
    "web_search_options",
];

/// Each is asked several times before the next one is.
const MOST_FALLBACKS: usize = 8;

fn refuse(message: &'static str, details: impl Into<Option<String>>) -> ApiError {
    ApiError::BadRequest {
        code: "unsupported_parameter",
        message,
        details: details.into(),
    }
}

fn invalid(message: &'static str) -> ApiError {
    ApiError::bad_request("invalid_body", message)
}

impl ChatCompletionRequest {
    pub fn includes_usage(&self) -> bool {
        self.stream_options
            .as_ref()
            .is_some_and(|options| options.include_usage)
    }

    /// # Errors
    /// `unsupported_parameter`, `invalid_body`.
    pub fn into_request(self) -> Result<ChatRequest, ApiError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(refuse(
                "there is one answer to a request: n can only be 1",
                None,
            ));
        }
        let asks = |name: &&&str| {
            let value = self.others.get(**name).unwrap_or(&Value::Null);
            !matches!(value, Value::Null | Value::Bool(false))
        };
        if let Some(name) = NOT_HAD.iter().find(asks) {
            return Err(refuse(
                "the request asks for something that is not to be had here",
                format!("leave out {name}"),
            ));
        }
        if self.messages.is_empty() {
            return Err(invalid("there has to be a message"));
        }
        let mut request = ChatRequest::new(self.model);
        request.fallback_models = self.models.unwrap_or_default();
        // Where all go by one list, the model stands in it too.
        let model = &request.model;
        request.fallback_models.retain(|fallback| fallback != model);
        if request.fallback_models.len() > MOST_FALLBACKS {
            return Err(invalid("there can be 8 other models"));
        }
        request.temperature = self.temperature;
        request.top_p = self.top_p;
        request.stop = match self.stop {
            None => Vec::new(),
            Some(Stop::One(stop)) => vec![stop],
            Some(Stop::Several(stops)) => stops,
        };
        request.max_tokens = self.max_completion_tokens.or(self.max_tokens);
        let (output_schema, wants_json) = output_schema(self.response_format)?;
        request.output_schema = output_schema;
        let mut called = BTreeMap::new();
        for turn in self.messages {
            add(&mut request, turn, &mut called)?;
        }
        if wants_json {
            instruct(&mut request, "Answer with a JSON object and nothing else.");
        }
        for tool in self.tools.unwrap_or_default() {
            let function = tool.function.ok_or(refuse(
                "only tools of type function can be given to a model here",
                None,
            ))?;
            request.tools.push(Tool {
                name: function.name,
                description: function.description.unwrap_or_default(),
                parameters: function
                    .parameters
                    .unwrap_or_else(|| json!({"type": "object", "properties": {}})),
            });
        }
        request.tool_choice = tool_choice(self.tool_choice)?;
        Ok(request)
    }
}

fn instruct(request: &mut ChatRequest, text: &str) {
    request.system = Some(match request.system.take() {
        Some(before) => format!("{before}\n\n{text}"),
        None => text.to_owned(),
    });
}

/// `called` are the tool calls so far, id to name: some providers match results by the name.
fn add(
    request: &mut ChatRequest,
    turn: Turn,
    called: &mut BTreeMap<String, String>,
) -> Result<(), ApiError> {
    match turn.role.as_str() {
        "system" | "developer" => instruct(request, &text(turn.content)?),
        "user" => request.messages.push(Message::User {
            content: parts(turn.content)?,
        }),
        "assistant" => {
            let said = text(turn.content)?;
            let content = match said.is_empty() {
                true => Vec::new(),
                false => vec![Part::text(said)],
            };
            let calls = turn.tool_calls.unwrap_or_default().into_iter();
            let tool_calls = calls
                .map(|call| {
                    let function = call
                        .function
                        .ok_or(invalid("a tool call has no function"))?;
                    called.insert(call.id.clone(), function.name.clone());
                    let signature = call
                        .extra_content
                        .and_then(|extra| extra.pointer("/google/thought_signature").cloned())
                        .and_then(|signature| signature.as_str().map(str::to_owned));
                    Ok(ToolCall {
                        id: call.id,
                        name: function.name,
                        arguments: function.arguments,
                        signature,
                    })
                })
                .collect::<Result<_, ApiError>>()?;
            request.messages.push(Message::Assistant {
                content,
                tool_calls,
            });
        }
        "tool" => {
            let id = turn
                .tool_call_id
                .ok_or(invalid("a message of role tool has no tool_call_id"))?;
            let name = called.get(&id).cloned().ok_or(invalid(
                "a message of role tool answers a call that no message before it makes",
            ))?;
            request.messages.push(Message::Tool {
                tool_call_id: id,
                name,
                content: text(turn.content)?,
                is_error: false,
            });
        }
        _ => {
            return Err(invalid(
                "a message's role is system, developer, user, assistant or tool",
            ));
        }
    }
    Ok(())
}

/// What a person shows and says.
fn parts(content: Option<Content>) -> Result<Vec<Part>, ApiError> {
    match content {
        Some(Content::Parts(parts)) => parts
            .into_iter()
            .map(|part| match (part.kind.as_str(), part.image_url) {
                ("image_url", Some(image)) => {
                    let image = Picture::from_url(&image.url).ok_or(invalid(
                        "an image is an address, or data:image/...;base64,...",
                    ))?;
                    Ok(Part::Image(image))
                }
                ("text", _) => Ok(Part::text(part.text.unwrap_or_default())),
                (kind, _) => Err(no_such_part(kind)),
            })
            .collect(),
        other => Ok(vec![Part::text(text(other)?)]),
    }
}

fn no_such_part(kind: &str) -> ApiError {
    refuse(
        "messages are text here, and those of users text and images",
        format!("a part is of type {kind}"),
    )
}

fn text(content: Option<Content>) -> Result<String, ApiError> {
    match content {
        None => Ok(String::new()),
        Some(Content::Text(text)) => Ok(text),
        Some(Content::Parts(parts)) => parts
            .into_iter()
            .map(|part| match part.kind.as_str() {
                "text" => Ok(part.text.unwrap_or_default()),
                "refusal" => Ok(part.refusal.unwrap_or_default()),
                kind => Err(no_such_part(kind)),
            })
            .collect(),
    }
}

/// The schema; and whether any JSON is asked for, which not every provider has a switch for.
fn output_schema(format: Option<Value>) -> Result<(Option<Value>, bool), ApiError> {
    let Some(format) = format.filter(|format| !format.is_null()) else {
        return Ok((None, false));
    };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok((None, false)),
        Some("json_object") => Ok((None, true)),
        Some("json_schema") => match format.pointer("/json_schema/schema") {
            Some(schema) => Ok((Some(schema.clone()), false)),
            None => Err(invalid("response_format has no json_schema.schema")),
        },
        _ => Err(invalid(
            "response_format's type is text, json_object or json_schema",
        )),
    }
}

fn tool_choice(choice: Option<Value>) -> Result<ToolChoice, ApiError> {
    let named = |choice: &Value| {
        let name = choice.pointer("/function/name").and_then(Value::as_str);
        name.map(str::to_owned)
    };
    Ok(match choice {
        None | Some(Value::Null) => ToolChoice::Auto,
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => {
                return Err(invalid(
                    "tool_choice is auto, none, required or names a function",
                ));
            }
        },
        Some(other) => ToolChoice::Named(named(&other).ok_or(invalid(
            "tool_choice is auto, none, required or names a function",
        ))?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<ChatRequest, String> {
        serde_json::from_value::<ChatCompletionRequest>(body)
            .map_err(|error| error.to_string())?
            .into_request()
            .map_err(|error| format!("{:?}", error.body()))
    }

    #[test]
    fn a_whole_conversation() {
        let request = read(json!({
            "model": "openai/gpt-4o-mini",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "image_url", "image_url": {"url": "https://a.test/map.png", "detail": "low"}}, {"type": "text", "text": "the weather?"}]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"},
                     "extra_content": {"google": {"thought_signature": "abc"}}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "sunny"}
            ],
            "temperature": 0.5, "max_completion_tokens": 7, "top_p": 0.9, "stop": "END", "seed": 1, "user": "somebody", "parallel_tool_calls": true,
            "tools": [{"type": "function", "function": {"name": "weather"}}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
        }))
        .unwrap();
        assert_eq!(request.system.as_deref(), Some("Be kind.\n\nBe brief."));
        let said = vec![
            Part::text("What is "),
            Part::Image(Picture::Url("https://a.test/map.png".to_owned())),
            Part::text("the weather?"),
        ];
        assert_eq!(request.messages[0], Message::User { content: said });
        assert_eq!(
            (request.top_p, request.stop.as_slice()),
            (Some(0.9), ["END".to_owned()].as_slice())
        );
        let Message::Assistant { tool_calls, .. } = &request.messages[1] else {
            panic!("{:?}", request.messages);
        };
        assert_eq!(tool_calls[0].signature.as_deref(), Some("abc"));
        assert_eq!(
            request.messages[2],
            Message::tool_result(&tool_calls[0], "sunny")
        );
        assert_eq!(
            (request.temperature, request.max_tokens),
            (Some(0.5), Some(7))
        );
        assert_eq!(request.tools[0].parameters["type"], "object");
        assert_eq!(request.tool_choice, ToolChoice::Named("weather".to_owned()));
        assert_eq!(request.output_schema, Some(json!({"type": "object"})));
    }

    #[test]
    fn other_models_are_asked_in_their_order() {
        let with = |models: Value| {
            read(
                json!({"model": "a/b", "models": models, "messages": [{"role": "user", "content": "x"}]}),
            )
        };
        let request = with(json!(["a/b", "c/d", "e/f"])).unwrap();
        assert_eq!(
            (request.model.as_str(), request.fallback_models),
            ("a/b", vec!["c/d".to_owned(), "e/f".to_owned()])
        );
        assert!(with(Value::Null).unwrap().fallback_models.is_empty());
        let too_many: Vec<String> = (0..9).map(|n| format!("c/{n}")).collect();
        assert!(with(json!(too_many)).unwrap_err().contains("invalid_body"));
    }

    #[test]
    fn what_would_be_missed_is_refused() {
        let with = |field: &str, value: Value| {
            let mut body = json!({"model": "a/b", "messages": [{"role": "user", "content": "x"}]});
            body[field] = value;
            read(body).err().unwrap_or_default()
        };
        assert!(with("n", json!(2)).contains("unsupported_parameter"));
        assert!(with("logprobs", json!(true)).contains("leave out logprobs"));
        assert_eq!(with("logprobs", json!(false)), "");
        assert!(with("messages", json!([])).contains("there has to be a message"));
        assert!(with("messages", json!([{"role": "robot", "content": "x"}])).contains("role"));
        let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]);
        assert!(with("messages", image).contains("base64"));
        let sound = json!([{"role": "user", "content": [{"type": "input_audio"}]}]);
        assert!(with("messages", sound).contains("input_audio"));
        let orphan = json!([{"role": "tool", "tool_call_id": "c9", "content": "x"}]);
        assert!(with("messages", orphan).contains("invalid_body"));
    }
}
