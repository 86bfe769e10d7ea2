//! Answers that are JSON of a given shape.

use std::borrow::Cow;

use jsonschema::Validator;
use serde_json::Value;
use tokio::time::Instant;

use crate::{ChatRequest, Completion, ErrorKind, FinishReason, LlmError, Message, Providers, chat};

/// This many problems are told; a model that got more of them wrong got it all wrong.
const MAX_PROBLEMS: usize = 8;

/// How a schema is brought to a model.
pub(crate) enum Enforcement<'a> {
    None,
    /// By the provider's own means; the schema's root is an object.
    Schema(Cow<'a, Value>),
    /// By words in the system prompt.
    Instruction(&'a Value),
}

/// OpenAI and Anthropic take only schemas whose root is an object.
pub(crate) fn enforcement(schema: Option<&Value>) -> Enforcement<'_> {
    match schema {
        None => Enforcement::None,
        Some(schema) if schema["type"] == "object" => Enforcement::Schema(Cow::Borrowed(schema)),
        Some(schema) if schema.get("type").is_none() && schema["properties"].is_object() => {
            let mut object = schema.clone();
            object["type"] = "object".into();
            Enforcement::Schema(Cow::Owned(object))
        }
        Some(schema) => Enforcement::Instruction(schema),
    }
}

impl Enforcement<'_> {
    /// The system prompt, with what the model must be told.
    pub(crate) fn system<'p>(&self, prompt: Option<&'p str>) -> Option<Cow<'p, str>> {
        let prompt = prompt.filter(|prompt| !prompt.is_empty());
        let Self::Instruction(schema) = self else {
            return prompt.map(Cow::Borrowed);
        };
        let told = format!(
            "Give your final answer as one JSON value that matches the JSON Schema below, without any other text around it.\n\n{schema}"
        );
        Some(Cow::Owned(match prompt {
            Some(prompt) => format!("{prompt}\n\n{told}"),
            None => told,
        }))
    }
}

/// Asks, checks, and lets the model repair its answer once.
pub(crate) async fn complete(
    providers: &Providers,
    request: &ChatRequest,
    schema: &Value,
    deadline: Instant,
) -> Result<Completion, LlmError> {
    let validator = compile(schema)?;
    let first = chat::open(providers, request, deadline, 0)
        .await?
        .into_completion()
        .await?;
    let (first, problem) = match judge(&validator, first)? {
        Judged::Good(completion) => return Ok(completion),
        Judged::Bad {
            completion,
            problem,
        } => (completion, problem),
    };

    tracing::info!(
        model = first.model,
        "llm answer does not match its schema; asking for a repair"
    );
    let repair = ask_again(request, &first, &problem);
    let second = async {
        chat::open(providers, &repair, deadline, first.attempts)
            .await?
            .into_completion()
            .await
    };
    let mut second = second.await.map_err(|error| and_before(error, &first))?;
    second.usage += first.usage;
    match judge(&validator, second)? {
        Judged::Good(completion) => Ok(completion),
        Judged::Bad {
            completion,
            problem,
        } => Err(failed(
            ErrorKind::InvalidOutput,
            format!("the answer does not match the output schema, nor did its repair: {problem}"),
            &completion,
        )),
    }
}

fn compile(schema: &Value) -> Result<Validator, LlmError> {
    jsonschema::validator_for(schema).map_err(|error| {
        LlmError::new(
            ErrorKind::InvalidRequest,
            format!("the output schema is not a JSON Schema: {error}"),
        )
    })
}

enum Judged {
    Good(Completion),
    Bad {
        completion: Completion,
        problem: String,
    },
}

/// Fills in `data`, or says what is wrong. An error means that asking again is no use.
fn judge(validator: &Validator, mut completion: Completion) -> Result<Judged, LlmError> {
    // The model wants to know something first.
    if !completion.tool_calls.is_empty() {
        return Ok(Judged::Good(completion));
    }
    match completion.finish_reason {
        FinishReason::Refusal => {
            return Err(failed(
                ErrorKind::Refused,
                "the model declined to answer",
                &completion,
            ));
        }
        FinishReason::ContentFilter => {
            return Err(failed(
                ErrorKind::Refused,
                "the provider's filter stopped the answer",
                &completion,
            ));
        }
        _ => {}
    }
    let problem = match parse(&completion.text) {
        Ok(data) => {
            let problems: Vec<String> = validator
                .iter_errors(&data)
                .take(MAX_PROBLEMS)
                .map(|error| match error.instance_path().as_str() {
                    "" => error.to_string(),
                    path => format!("{path}: {error}"),
                })
                .collect();
            if problems.is_empty() {
                completion.data = Some(data);
                return Ok(Judged::Good(completion));
            }
            problems.join("; ")
        }
        Err(error) => format!("it is not JSON: {error}"),
    };
    // A repair would be cut off at the same place.
    if completion.finish_reason == FinishReason::Length {
        let message = "the answer was cut off at max_tokens before its JSON was complete";
        return Err(failed(ErrorKind::InvalidOutput, message, &completion));
    }
    Ok(Judged::Bad {
        completion,
        problem,
    })
}

/// Models that are only told the format like to put the JSON between code fences.
fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| {
        let fenced = text
            .split_once("```")
            .and_then(|(_, rest)| rest.rsplit_once("```"));
        let Some((fenced, _)) = fenced else {
            return Err(error);
        };
        // The first line may name the language.
        let body = fenced.strip_prefix("json").unwrap_or(fenced);
        serde_json::from_str(body).map_err(|_| error)
    })
}

/// The same conversation, with the answer and what is wrong with it.
fn ask_again(request: &ChatRequest, answer: &Completion, problem: &str) -> ChatRequest {
    let mut request = request.clone();
    // Another model would have to begin anew instead of mending.
    request.model.clone_from(&answer.model);
    request.fallback_models.clear();
    if !answer.text.is_empty() {
        request
            .messages
            .push(Message::assistant(answer.text.as_str()));
    }
    request.messages.push(Message::user(format!(
        "That answer does not match the required JSON Schema: {problem}. Give the whole answer again, corrected, as JSON only."
    )));
    request
}

fn failed(kind: ErrorKind, message: impl Into<String>, completion: &Completion) -> LlmError {
    let mut error = LlmError::new(kind, message);
    error.model.clone_from(&completion.model);
    error.attempts = completion.attempts;
    error.usage = completion.usage;
    error
}

fn and_before(mut error: LlmError, first: &Completion) -> LlmError {
    error.usage += first.usage;
    error
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_the_json_in_what_models_write() {
        for text in [
            "{\"a\":1}",
            " {\"a\":1}\n",
            "```json\n{\"a\":1}\n```",
            "Here you are:\n```\n{\"a\":1}\n```\nBye.",
        ] {
            assert_eq!(parse(text).unwrap(), json!({ "a": 1 }), "{text}");
        }
        assert!(parse("").is_err());
        assert!(parse("``` ```").is_err());
        assert!(parse("```").is_err());
    }

    #[test]
    fn a_schema_without_a_type_but_with_properties_is_an_object() {
        let schema = json!({ "properties": { "a": {} } });
        let Enforcement::Schema(found) = enforcement(Some(&schema)) else {
            panic!("no schema")
        };
        assert_eq!(found["type"], "object");
    }

    #[test]
    fn a_schema_cannot_reach_out() {
        for schema in [
            json!({ "$ref": "http://127.0.0.1:9/x" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "type": 7 }),
        ] {
            assert_eq!(
                compile(&schema).unwrap_err().kind,
                ErrorKind::InvalidRequest,
                "{schema}"
            );
        }
    }
}
