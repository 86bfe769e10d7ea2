//! What is kept beside what is paid for: answers for those who ask the same again, and what was asked.
//!
//! It is written after what calls took, once, and lost where that fails: the model can be asked again, and what was asked stands in no journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::answer_cache::KeptAnswer;
use super::captured_call::CapturedCall;
use crate::database::Database;

/// That wait to be written, of a process: more is not kept while the database is slower than calls are.
const MOST_BYTES: usize = 32 * 1024 * 1024;

pub enum Aside {
    Answer(KeptAnswer),
    Captured(CapturedCall),
}

impl Aside {
    /// Roughly, in memory.
    fn size(&self) -> usize {
        match self {
            Self::Answer(kept) => {
                let calls = kept.answer.tool_calls.iter();
                let calls: usize = calls.map(|call| call.arguments.len() + 200).sum();
                kept.answer.text.len() + calls + 500
            }
            Self::Captured(call) => {
                let answered = call
                    .answered
                    .iter()
                    .map(|answered| answered.to_string().len());
                call.asked.to_string().len() + answered.sum::<usize>() + 500
            }
        }
    }
}

/// What waits, of all that are entered.
#[derive(Clone, Default)]
pub struct Room(Arc<AtomicUsize>);

/// One that waits, and the room that it takes.
pub struct Waiting {
    aside: Option<Aside>,
    size: usize,
    room: Room,
}

impl Room {
    /// None when there is no room for it: then it is lost.
    pub fn enter(&self, aside: Aside) -> Option<Waiting> {
        let size = aside.size();
        let before = self.0.fetch_add(size, Ordering::Relaxed);
        let waiting = Waiting {
            aside: Some(aside),
            size,
            room: self.clone(),
        };
        (before.saturating_add(size) <= MOST_BYTES).then_some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// Writes all of them; what cannot be written is lost, and counted.
pub async fn write(database: &Database, mut waiting: Vec<Waiting>) {
    let (mut answers, mut calls) = (Vec::new(), Vec::new());
    // They take their room until they are written.
    for aside in waiting.iter_mut().filter_map(|one| one.aside.take()) {
        match aside {
            Aside::Answer(answer) => answers.push(answer),
            Aside::Captured(call) => calls.push(call),
        }
    }
    if !answers.is_empty()
        && let Err(error) = database.keep_answers(&answers).await
    {
        tracing::warn!(%error, answers = answers.len(), "answers cannot be kept for those who ask the same");
        lost(answers.len());
    }
    if calls.is_empty() {
        return;
    }
    let count = calls.len();
    // It takes a while, and others are not to wait for it.
    let masking = tokio::task::spawn_blocking(move || {
        let masked: Vec<CapturedCall> = calls.into_iter().map(CapturedCall::masked).collect();
        masked
    });
    let written = match masking.await {
        Ok(masked) => database.keep_contents(&masked).await.is_ok(),
        Err(_) => false,
    };
    if !written {
        // Nothing more is said: an error may repeat what was to be kept.
        tracing::warn!(calls = count, "what was asked and answered cannot be kept");
        lost(count);
    }
}

pub fn lost(count: usize) {
    metrics::counter!("aias_edge_kept_of_calls_lost_total").increment(count as u64);
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn large() -> Aside {
        let answer = json!({"text": "x".repeat(MOST_BYTES / 2), "data": null, "tool_calls": [], "model": "", "provider": "",
            "finish_reason": "stop", "attempts": 1, "usage": llm::Usage::default()});
        Aside::Answer(KeptAnswer {
            tenant_id: Uuid::nil(),
            agent_id: None,
            hash: String::new(),
            answer: serde_json::from_value(answer).unwrap(),
        })
    }

    #[test]
    fn what_waits_has_a_bound_and_makes_room_when_it_is_written() {
        let room = Room::default();
        let first = room.enter(large());
        assert!(first.is_some());
        assert!(room.enter(large()).is_none(), "each is more than half");
        drop(first);
        assert!(room.enter(large()).is_some());
        assert_eq!(room.0.load(Ordering::Relaxed), 0);
    }
}
