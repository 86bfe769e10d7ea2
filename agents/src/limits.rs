//! How far a conversation may go.

use std::time::Duration;

/// Times a model is asked where nobody says how often.
pub const DEFAULT_ROUNDS: u32 = 8;
/// Times it can be asked at most. The whole conversation is sent again each time, so its cost grows with the square of this.
pub const MOST_ROUNDS: u32 = 32;

/// What bounds a conversation besides its caller's own time-out, which ends it by dropping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Times the model is asked. The last time it is told to answer without tools.
    pub rounds: u32,
    /// Calls of one round that are carried out at the same time.
    pub at_once: usize,
    /// Calls of one round that are carried out at all; the model is told that the others are not.
    pub calls_a_round: usize,
    /// Bytes of one result that the model is shown.
    pub result_bytes: usize,
    /// How long one call may take.
    pub tool_timeout: Duration,
}

impl Limits {
    /// As `max_rounds` of a config says, also where the number is written as text. None where it is no number of rounds.
    pub fn with_rounds(max_rounds: Option<&serde_json::Value>) -> Option<Self> {
        let Some(value) = max_rounds.filter(|value| !value.is_null()) else {
            return Some(Self::default());
        };
        let rounds: u64 = match value.as_str() {
            Some(text) => text.parse().ok()?,
            None => value.as_u64()?,
        };
        let rounds = u32::try_from(rounds).ok()?;
        (1..=MOST_ROUNDS).contains(&rounds).then(|| Self {
            rounds,
            ..Self::default()
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rounds: DEFAULT_ROUNDS,
            at_once: 8,
            calls_a_round: 32,
            result_bytes: 32 * 1024,
            tool_timeout: Duration::from_secs(30),
        }
    }
}
