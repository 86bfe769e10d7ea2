//! What is run, and what the model is told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agents::{Ended, Limits, RanTool, SameName, ToolError, Toolbox, converse};
use llm::{Message, ToolChoice};
use tokio::sync::Barrier;

use crate::support::{Scripted, asks, declared, echo, request, says, tool, with};

#[tokio::test]
async fn a_result_goes_back_to_the_model() {
    let mut model = Scripted::new([asks(&[("echo", r#"{"a": 1}"#)]), says("It said 1.")]);
    let conversation = converse(&mut model, request(), &echo(), Limits::default())
        .await
        .unwrap();
    assert_eq!(conversation.completion.text, "It said 1.");
    assert_eq!(conversation.ended, Ended::Answered);
    assert_eq!(
        (
            conversation.rounds,
            conversation.usage.input_tokens,
            conversation.usage.output_tokens
        ),
        (2, 20, 2)
    );
    assert_eq!(
        conversation.ran,
        [RanTool {
            round: 1,
            name: "echo".to_owned(),
            is_error: false
        }]
    );
    assert_eq!(model.went_on, [1], "the last answer is its receiver's");
    assert_eq!(model.requests[0].tools, [declared("echo")]);
    let [
        Message::User { .. },
        Message::Assistant { tool_calls, .. },
        Message::Tool {
            tool_call_id,
            content,
            ..
        },
    ] = model.requests[1].messages.as_slice()
    else {
        panic!("{:?}", model.requests[1].messages);
    };
    assert_eq!(
        (&tool_calls[0].id, content.as_str()),
        (tool_call_id, r#"{"a":1}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_a_round_run_side_by_side_and_are_told_in_their_order() {
    let barrier = Arc::new(Barrier::new(2));
    let meets = move |text: &'static str| {
        let barrier = Arc::clone(&barrier);
        move |_| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                Ok(text.to_owned())
            }
        }
    };
    let toolbox = with(Toolbox::default(), "one", meets("first"));
    let toolbox = with(toolbox, "other", meets("second"));
    let mut model = Scripted::new([asks(&[("other", ""), ("one", "")]), says("Met.")]);
    converse(&mut model, request(), &toolbox, Limits::default())
        .await
        .unwrap();
    assert_eq!(model.told(), ["other: second", "one: first"]);
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_with_a_tool_is_told_and_ends_nothing() {
    let toolbox = with(echo(), "broken", |_| async {
        Err(ToolError::new("it is broken"))
    });
    let toolbox = with(toolbox, "slow", |_| std::future::pending());
    let mut model = Scripted::new([
        asks(&[
            ("broken", "{}"),
            ("slow", "{}"),
            ("unknown", "{}"),
            ("echo", "{nonsense"),
        ]),
        says("Too bad."),
    ]);
    let conversation = converse(&mut model, request(), &toolbox, Limits::default())
        .await
        .unwrap();
    assert_eq!(conversation.ended, Ended::Answered);
    assert!(conversation.ran.iter().all(|ran| ran.is_error));
    assert_eq!(
        model.told(),
        [
            "!broken: it is broken",
            "!slow: slow was not done within 30 s",
            "!unknown: there is no tool unknown",
            "!echo: the arguments are not JSON: key must be a string at line 1 column 2",
        ]
    );
}

#[tokio::test]
async fn a_tool_that_runs_elsewhere_ends_it_and_nothing_is_run() {
    let was_run = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&was_run);
    let toolbox = with(Toolbox::default(), "here", move |_| {
        noted.store(true, Ordering::SeqCst);
        async { Ok(String::new()) }
    });
    let mut model = Scripted::new([asks(&[("here", "{}"), ("there", "{}")])]);
    let mut request = request();
    request.tools = vec![declared("there")];
    let conversation = converse(&mut model, request, &toolbox, Limits::default())
        .await
        .unwrap();
    assert_eq!(conversation.ended, Ended::ToolsElsewhere);
    assert_eq!(conversation.completion.tool_calls.len(), 2);
    assert!(!was_run.load(Ordering::SeqCst));
    assert!(model.went_on.is_empty());
}

#[tokio::test]
async fn without_tools_of_its_own_every_call_is_somebody_elses() {
    let mut model = Scripted::new([asks(&[("made_up", "{}")])]);
    let conversation = converse(
        &mut model,
        request(),
        &Toolbox::default(),
        Limits::default(),
    )
    .await
    .unwrap();
    assert_eq!(conversation.ended, Ended::ToolsElsewhere);
}

#[tokio::test]
async fn a_tool_that_was_forced_is_forced_once() {
    let mut model = Scripted::new([asks(&[("echo", "{}")]), says("Done.")]);
    let mut request = request();
    request.tool_choice = ToolChoice::Required;
    converse(&mut model, request, &echo(), Limits::default())
        .await
        .unwrap();
    let choices: Vec<_> = model
        .requests
        .iter()
        .map(|asked| &asked.tool_choice)
        .collect();
    assert_eq!(choices, [&ToolChoice::Required, &ToolChoice::Auto]);
}

#[test]
fn two_tools_cannot_have_one_name() {
    let same = tool("echo", |_| async { Ok(String::new()) });
    assert_eq!(echo().add(same), Err(SameName("echo".to_owned())));
}
