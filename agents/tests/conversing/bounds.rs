//! How far it goes, and no further.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agents::{Ended, Limits, Toolbox, converse};
use llm::ToolChoice;

use crate::support::{Scripted, asks, echo, request, says, with};

const THREE: Limits = Limits {
    rounds: 3,
    at_once: 2,
    calls_a_round: 5,
    result_bytes: 4,
    tool_timeout: Duration::from_secs(1),
};

#[tokio::test]
async fn the_last_round_is_without_tools() {
    let ask = || asks(&[("echo", "{}")]);
    let mut model = Scripted::new([ask(), ask(), says("Enough.")]);
    let conversation = converse(&mut model, request(), &echo(), THREE)
        .await
        .unwrap();
    assert_eq!(
        (conversation.ended, conversation.rounds),
        (Ended::Answered, 3)
    );
    let choices: Vec<_> = model
        .requests
        .iter()
        .map(|asked| &asked.tool_choice)
        .collect();
    assert_eq!(
        choices,
        [&ToolChoice::Auto, &ToolChoice::Auto, &ToolChoice::None]
    );
}

#[tokio::test]
async fn a_model_that_does_not_stop_is_stopped() {
    let ask = || asks(&[("echo", "{}")]);
    let mut model = Scripted::new([ask(), ask(), ask(), says("Never.")]);
    let conversation = converse(&mut model, request(), &echo(), THREE)
        .await
        .unwrap();
    assert_eq!(
        (conversation.ended, conversation.rounds),
        (Ended::OutOfRounds, 3)
    );
    assert_eq!(
        conversation.ran.len(),
        2,
        "what it asks for last is not run"
    );
    assert_eq!(model.went_on, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_run_at_once_and_only_so_many_at_all() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, seen) = (Arc::clone(&running), Arc::clone(&most));
    let toolbox = with(Toolbox::default(), "count", move |_| {
        let (now, seen) = (Arc::clone(&now), Arc::clone(&seen));
        async move {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok("ran".to_owned())
        }
    });
    let mut model = Scripted::new([asks(&[("count", "{}"); 6]), says("Done.")]);
    let conversation = converse(&mut model, request(), &toolbox, THREE)
        .await
        .unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2);
    let told = model.told();
    assert_eq!(told[..5], ["count: ran"; 5]);
    assert!(
        told[5].starts_with("!count: not \n[cut: 4 of"),
        "{}",
        told[5]
    );
    assert_eq!(
        conversation.ran.iter().filter(|ran| ran.is_error).count(),
        1
    );
}

#[tokio::test]
async fn a_long_result_is_cut_and_the_model_knows() {
    let mut model = Scripted::new([asks(&[("echo", "[1,2,3]")]), says("Long.")]);
    converse(&mut model, request(), &echo(), THREE)
        .await
        .unwrap();
    assert_eq!(model.told(), ["echo: [1,2\n[cut: 4 of 7 bytes]"]);
}

#[tokio::test]
async fn a_model_that_fails_later_ends_it() {
    let mut model = Scripted::new([asks(&[("echo", "{}")]), Err("gone")]);
    let error = converse(&mut model, request(), &echo(), THREE)
        .await
        .unwrap_err();
    assert_eq!((error, model.went_on.as_slice()), ("gone", [1].as_slice()));
}
