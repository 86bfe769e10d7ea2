//! `wait_for_event` and `approval`: a row that somebody delivers to. And what a delivery comes to, that of a called workflow's end included.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use workflow::Kind;

use super::{Failure, Success};
use crate::queue::{Wait, WaitKind};

/// Characters that the name of an event, and its key, may have once they are rendered: as many as a template for them.
const LONGEST_NAME: usize = 256;
const LONGEST_KEY: usize = 1_024;

/// Reads a rendered config: what is waited for, and how many seconds at most.
///
/// # Errors
/// When the name or the key of an event rendered to what is no text, nothing, or too long.
pub fn read(kind: Kind, config: &Value) -> Result<(Wait, Option<f64>), Failure> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut wait = Wait {
        kind: WaitKind::Approval,
        name: None,
        key: None,
        permission: text("permission"),
        message: None,
    };
    if kind == Kind::WaitForEvent {
        wait.kind = WaitKind::Event;
        wait.name = short_text(config, "event", LONGEST_NAME)?;
        wait.key = short_text(config, "key", LONGEST_KEY)?;
        if wait.name.is_none() {
            return Err(Failure::invalid_config("there is no event to wait for"));
        }
    } else {
        wait.message = config.get("message").and_then(|message| match message {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        });
    }
    Ok((wait, config.get("timeout").and_then(Value::as_f64)))
}

/// A template that is one expression keeps the type of its value: the key of order 7 is "7".
fn short_text(config: &Value, name: &str, longest: usize) -> Result<Option<String>, Failure> {
    let text = match config.get(name) {
        None => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        Some(_) => {
            return Err(Failure::invalid_config(format!(
                "{name} is neither a text nor a number"
            )));
        }
    };
    if text.is_empty() || text.chars().count() > longest {
        return Err(Failure::invalid_config(format!(
            "{name} must have 1 to {longest} characters"
        )));
    }
    Ok(Some(text))
}

/// When a step that began at `begun` gives up: at the earlier of its own end and that of its node.
pub fn gives_up_at(begun: Timestamp, limits: [Option<f64>; 2]) -> Option<Timestamp> {
    let seconds = limits
        .into_iter()
        .flatten()
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .reduce(f64::min)?;
    begun
        .checked_add(SignedDuration::from_secs_f64(seconds))
        .ok()
}

/// What was delivered, as the step's result.
///
/// # Errors
/// `called_workflow_failed`, when that is what was delivered.
pub fn delivered(kind: Kind, payload: Value) -> Result<Success, Failure> {
    match kind {
        Kind::Approval => {
            let is_approved = payload.get("approved") == Some(&Value::Bool(true));
            let handle = if is_approved { "approved" } else { "rejected" };
            Ok(Success {
                output: payload,
                handle: Some(handle.to_owned()),
                usage: None,
            })
        }
        Kind::CallWorkflow => called(&payload),
        _ => Ok(Success::from(payload)),
    }
}

fn called(payload: &Value) -> Result<Success, Failure> {
    let field = |name: &str| payload.get(name).cloned().unwrap_or_default();
    let (execution, status) = (field("execution_id"), field("status"));
    if status == "succeeded" {
        return Ok(Success::from(
            json!({"execution_id": execution, "status": status, "output": field("output")}),
        ));
    }
    let status_text = status.as_str().unwrap_or("failed");
    let why = payload
        .pointer("/error/message")
        .and_then(Value::as_str)
        .map_or_else(String::new, |message| format!(": {message}"));
    let message = format!("the called workflow {status_text}{why}");
    let message = match status_text {
        "cancelled" => "the called workflow was cancelled".to_owned(),
        _ => message,
    };
    Err(Failure::new("called_workflow_failed", message)
        .details(json!({"execution_id": execution, "status": status, "error": field("error")}))
        .retryable(true))
}

/// Nothing was delivered in time. To wait longer is a matter of `timeout`; another attempt of a called workflow is one of `retry`.
pub fn timed_out(kind: Kind) -> Failure {
    match kind {
        Kind::CallWorkflow => {
            Failure::new("timeout", "the called workflow took too long").retryable(true)
        }
        Kind::Approval => Failure::new("wait_timed_out", "nobody decided in time"),
        _ => Failure::new("wait_timed_out", "the event did not come in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_texts() {
        let (wait, seconds) = read(
            Kind::WaitForEvent,
            &json!({"event": "paid", "key": 7, "timeout": 60}),
        )
        .unwrap();
        assert_eq!(
            (
                wait.kind,
                wait.name.as_deref(),
                wait.key.as_deref(),
                seconds
            ),
            (WaitKind::Event, Some("paid"), Some("7"), Some(60.0))
        );
        for config in [
            json!({}),
            json!({"event": ""}),
            json!({"event": null}),
            json!({"event": ["a"]}),
            json!({"event": "a", "key": {"b": 1}}),
            json!({"event": "x".repeat(257)}),
        ] {
            assert_eq!(
                read(Kind::WaitForEvent, &config).unwrap_err().code,
                "invalid_config",
                "{config}"
            );
        }
    }

    #[test]
    fn the_earlier_end_counts() {
        let begun: Timestamp = "2026-01-31T09:00:00Z".parse().unwrap();
        let seconds =
            |limits| gives_up_at(begun, limits).map(|at| at.duration_since(begun).as_secs());
        assert_eq!(seconds([Some(60.0), Some(5.0)]), Some(5));
        assert_eq!(seconds([None, Some(5.0)]), Some(5));
        assert_eq!(seconds([Some(60.0), None]), Some(60));
        assert_eq!(seconds([None, None]), None);
    }

    #[test]
    fn a_decision_chooses_a_branch() {
        for (payload, handle) in [
            (json!({"approved": true}), "approved"),
            (json!({"approved": false}), "rejected"),
            (json!({"approved": "true"}), "rejected"),
        ] {
            let success = delivered(Kind::Approval, payload.clone()).unwrap();
            assert_eq!(
                (success.handle.as_deref(), success.output),
                (Some(handle), payload)
            );
        }
    }

    #[test]
    fn a_called_workflow_that_did_not_succeed_is_a_failure() {
        let done =
            json!({"execution_id": "x", "status": "succeeded", "output": {"a": 1}, "error": null});
        assert_eq!(
            delivered(Kind::CallWorkflow, done).unwrap().output,
            json!({"execution_id": "x", "status": "succeeded", "output": {"a": 1}})
        );
        let error = json!({"code": "http_status", "message": "answered 503"});
        let failed =
            json!({"execution_id": "x", "status": "failed", "output": null, "error": error});
        let failure = delivered(Kind::CallWorkflow, failed).unwrap_err();
        assert_eq!(
            (&*failure.code, failure.message.as_str(), failure.retryable),
            (
                "called_workflow_failed",
                "the called workflow failed: answered 503",
                true
            )
        );
        assert_eq!(failure.details.unwrap()["error"], error);
    }
}
