//! Tools: asked for, called, answered.

use llm::{ChatEvent, ChatRequest, FinishReason, Message, Tool, ToolChoice};
use serde_json::{Value, json};

use crate::support::{Aimock, MODELS, drain, providers};

fn request(model: &str) -> ChatRequest {
    let mut request = ChatRequest::new(model).user("How warm is it in Gdańsk and in Kraków?");
    request.tools.push(Tool {
        name: "temperature".into(),
        description: "The temperature of a city in °C".into(),
        parameters: json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }),
    });
    request
}

#[tokio::test]
async fn one_call_in_a_stream() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(json!([{
            "match": {},
            "response": { "toolCalls": [{ "id": "a1", "name": "temperature", "arguments": { "city": "Gdańsk" } }] },
            "chunkSize": 3,
        }]))
        .await;
        let stream = providers(mock.url()).chat(&request(model)).await.unwrap();
        let (events, error) = drain(stream).await;
        assert!(error.is_none(), "{model}: {error:?}");
        let started: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                ChatEvent::ToolCallStart {
                    index, id, name, ..
                } => Some((*index, id.as_str(), name.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(started, [(0, "a1", "temperature")], "{model}");
        let arguments: String = events
            .iter()
            .filter_map(|event| match event {
                ChatEvent::ToolCallArguments { index: 0, json } => Some(json.as_str()),
                _ => None,
            })
            .collect();
        let arguments: Value = serde_json::from_str(&arguments).unwrap();
        assert_eq!(arguments, json!({ "city": "Gdańsk" }), "{model}");
        assert!(
            matches!(
                events.last(),
                Some(ChatEvent::Finished {
                    reason: FinishReason::ToolCalls,
                    ..
                })
            ),
            "{model}: {events:?}"
        );
    }
}

#[tokio::test]
async fn two_calls_at_once_and_their_results() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(json!([
            {
                "match": { "hasToolResult": false },
                "response": { "toolCalls": [
                    { "id": "a1", "name": "temperature", "arguments": { "city": "Gdańsk" } },
                    { "id": "a2", "name": "temperature", "arguments": { "city": "Kraków" } },
                ] },
                "chunkSize": 4,
            },
            { "match": { "hasToolResult": true }, "response": { "content": "18 and 21" } },
        ]))
        .await;
        let providers = providers(mock.url());
        let mut request = request(model);
        let first = providers.complete(&request).await.unwrap();

        assert_eq!(first.finish_reason, FinishReason::ToolCalls, "{model}");
        let called: Vec<(&str, &str, Value)> = first
            .tool_calls
            .iter()
            .map(|call| {
                (
                    call.id.as_str(),
                    call.name.as_str(),
                    call.parsed_arguments().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            called,
            [
                ("a1", "temperature", json!({ "city": "Gdańsk" })),
                ("a2", "temperature", json!({ "city": "Kraków" })),
            ],
            "{model}"
        );

        request.messages.push(Message::Assistant {
            content: Vec::new(),
            tool_calls: first.tool_calls.clone(),
        });
        for (call, result) in first.tool_calls.iter().zip(["18", "21"]) {
            request.messages.push(Message::tool_result(call, result));
        }
        let second = providers.complete(&request).await.unwrap();
        assert_eq!(
            (second.text.as_str(), second.finish_reason),
            ("18 and 21", FinishReason::Stop),
            "{model}"
        );

        let asked = mock.requests().await;
        let tool = &asked[0]["tools"][0]["function"];
        assert_eq!(
            (&tool["name"], &tool["description"]),
            (
                &json!("temperature"),
                &json!("The temperature of a city in °C")
            )
        );
        let history = asked[1]["messages"].as_array().unwrap();
        let roles: Vec<&str> = history
            .iter()
            .filter_map(|message| message["role"].as_str())
            .collect();
        assert_eq!(roles, ["user", "assistant", "tool", "tool"], "{model}");
        assert_eq!(
            history[1]["tool_calls"][1]["function"]["arguments"],
            json!({ "city": "Kraków" }).to_string()
        );
        assert!(
            history[3]["content"].as_str().unwrap().contains("21"),
            "{model}"
        );
    }
}

#[tokio::test]
async fn a_call_without_an_id_gets_one() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(json!([{
            "match": {},
            "response": { "toolCalls": [{ "name": "temperature", "arguments": {} }, { "name": "temperature", "arguments": {} }] },
        }]))
        .await;
        let answer = providers(mock.url())
            .complete(&request(model))
            .await
            .unwrap();
        let ids: Vec<&str> = answer
            .tool_calls
            .iter()
            .map(|call| call.id.as_str())
            .collect();
        assert!(
            ids.len() == 2 && ids[0] != ids[1] && ids.iter().all(|id| !id.is_empty()),
            "{model}: {ids:?}"
        );
    }
}

#[tokio::test]
async fn the_choice_of_tools_is_said_in_each_format() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        for choice in [
            ToolChoice::Auto,
            ToolChoice::None,
            ToolChoice::Required,
            ToolChoice::Named("temperature".into()),
        ] {
            mock.script(json!([{ "match": {}, "response": { "content": "ok" } }]))
                .await;
            let mut request = request(model);
            request.tool_choice = choice.clone();
            providers(mock.url())
                .complete(&request)
                .await
                .unwrap_or_else(|error| panic!("{model} {choice:?}: {error}"));
        }
    }
}
