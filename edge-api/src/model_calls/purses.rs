//! Tokens that are set aside for a tenant, to be spent here without asking anybody.
//!
//! ```mermaid
//! stateDiagram-v2
//!     direction LR
//!     [*] --> open: put in, and the first call has drawn from it
//!     open --> open: calls draw from it, end, and put back what they did not use
//!     open --> last: nobody uses it any more, or it is too old
//!     last --> [*]: the database has back what is left
//! ```
//!
//! A block is one reservation in the database. What calls draw from it is what they will probably take; when a call ends, what it took stays
//! drawn and the rest can be drawn again. So a block never gives out more than it has, whoever ends when.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::RwLock;
use uuid::Uuid;

use super::demand::Demand;

/// From how many blocks one call may draw. Whoever would need more asks for one that is large enough.
pub const MOST_BLOCKS: usize = 4;
/// What nobody used for so long is given back.
const IDLE: Duration = Duration::from_secs(2);
/// As many seconds of what was asked for lately are set aside.
const AHEAD: u64 = 2;

/// Some of a block: what a call has drawn from it, or what it has taken of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The reservation.
    pub id: Uuid,
    pub tokens: u64,
}

/// What tokens are counted by.
const TOKENS: &str = "llm_tokens";

/// A block that is given back, or what was set aside of a cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastBlock {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub meter: Cow<'static, str>,
}

impl LastBlock {
    pub fn of_tokens(tenant_id: Uuid, id: Uuid) -> Self {
        Self {
            tenant_id,
            id,
            meter: TOKENS.into(),
        }
    }
}

/// What a call asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub tokens: u64,
    pub requests: u32,
}

/// What has to be asked of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missing {
    pub tokens: u64,
    pub more_tokens: u64,
    pub requests: u32,
    pub more_requests: u32,
}

impl Missing {
    /// Nothing for others.
    pub fn without_more(self) -> Self {
        Self {
            more_tokens: 0,
            more_requests: 0,
            ..self
        }
    }

    /// As if nothing were left.
    pub fn all_of(self, wanted: Wanted) -> Self {
        Self {
            tokens: wanted.tokens,
            requests: wanted.requests,
            ..self
        }
    }
}

/// What the database has set aside.
#[derive(Debug, Clone, Copy)]
pub struct SetAside {
    pub block: Option<Part>,
    /// Calls draw from it for so long: not beyond the billing period that it is of. Who has drawn may go on.
    pub good_for: Duration,
    /// It was asked for more than one call: what is left of it is kept for the next ones.
    pub is_spare: bool,
    pub requests: u32,
}

/// What this process holds, of all tenants.
#[derive(Default)]
pub struct Purses(Mutex<HashMap<Uuid, Purse>>);

struct Purse {
    blocks: Vec<Block>,
    requests: u32,
    tokens_asked: Demand,
    requests_asked: Demand,
    used_at: Instant,
    /// Held by whoever asks for more.
    asking: Arc<RwLock<()>>,
}

struct Block {
    id: Uuid,
    /// Less than nothing where calls took more than they had drawn.
    left: i64,
    /// That have drawn from it and are not written down.
    calls: usize,
    until: Instant,
    is_spare: bool,
}

impl Purse {
    fn new(now: Instant) -> Self {
        Self {
            blocks: Vec::new(),
            requests: 0,
            tokens_asked: Demand::new(now),
            requests_asked: Demand::new(now),
            used_at: now,
            asking: Arc::default(),
        }
    }

    fn left(&self, now: Instant) -> u64 {
        let open = self.blocks.iter().filter(|block| block.is_open(now));
        open.map(Block::free).sum()
    }

    fn draw(&mut self, wanted: Wanted, now: Instant) -> Option<Vec<Part>> {
        let mut open: Vec<usize> = (0..self.blocks.len())
            .filter(|&index| self.blocks[index].is_open(now) && self.blocks[index].left > 0)
            .collect();
        // The largest first, and of what is left of others the fewest.
        open.sort_by_key(|&index| std::cmp::Reverse(self.blocks[index].left));
        open.truncate(MOST_BLOCKS);
        let has: u64 = open.iter().map(|&index| self.blocks[index].free()).sum();
        if has < wanted.tokens || self.requests < wanted.requests {
            return None;
        }
        self.requests -= wanted.requests;
        let mut missing = wanted.tokens;
        let mut parts = Vec::with_capacity(1);
        for index in open {
            if missing == 0 {
                break;
            }
            let block = &mut self.blocks[index];
            let tokens = block.free().min(missing);
            block.left -= signed(tokens);
            block.calls += 1;
            missing -= tokens;
            parts.push(Part {
                id: block.id,
                tokens,
            });
        }
        Some(parts)
    }

    fn missing(&mut self, wanted: Wanted, now: Instant) -> Missing {
        let (more_tokens, more_requests) = self.ahead(now);
        Missing {
            tokens: wanted.tokens.saturating_sub(self.left(now)),
            more_tokens,
            requests: wanted.requests.saturating_sub(self.requests),
            more_requests,
        }
    }

    fn ahead(&mut self, now: Instant) -> (u64, u32) {
        let tokens = (self.tokens_asked.recent(now) * AHEAD).saturating_sub(self.left(now));
        let requests =
            (self.requests_asked.recent(now) * AHEAD).saturating_sub(self.requests.into());
        (tokens, u32::try_from(requests).unwrap_or(u32::MAX / 2))
    }

    /// What is left of blocks that nobody has drawn from, and is not to be kept.
    fn take_last(&mut self, is_last: impl Fn(&Block) -> bool) -> Vec<Uuid> {
        let last = |block: &mut Block| block.calls == 0 && is_last(block);
        self.blocks
            .extract_if(.., last)
            .map(|block| block.id)
            .collect()
    }
}

impl Block {
    fn free(&self) -> u64 {
        u64::try_from(self.left).unwrap_or(0)
    }

    fn is_open(&self, now: Instant) -> bool {
        now < self.until
    }
}

impl Purses {
    /// What has to be asked for before a call can draw what it wants.
    pub fn missing(&self, tenant: Uuid, wanted: Wanted) -> Missing {
        let now = Instant::now();
        let mut purses = self.lock();
        let purse = purses.entry(tenant).or_insert_with(|| Purse::new(now));
        purse.missing(wanted, now)
    }

    /// Draws what a call wants, or says what has to be asked for first.
    pub fn draw(&self, tenant: Uuid, wanted: Wanted) -> Result<Vec<Part>, Missing> {
        let now = Instant::now();
        let mut purses = self.lock();
        let purse = purses.entry(tenant).or_insert_with(|| Purse::new(now));
        purse.used_at = now;
        if let Some(parts) = purse.draw(wanted, now) {
            purse.tokens_asked.add(wanted.tokens, now);
            purse.requests_asked.add(wanted.requests.into(), now);
            return Ok(parts);
        }
        Err(purse.missing(wanted, now))
    }

    /// Many ask for more at once; whoever is refused waits until they have put in what they got, and asks alone.
    pub fn asking(&self, tenant: Uuid) -> Arc<RwLock<()>> {
        let mut purses = self.lock();
        let purse = purses
            .entry(tenant)
            .or_insert_with(|| Purse::new(Instant::now()));
        purse.asking.clone()
    }

    /// A call that was to draw is not made.
    pub fn undo(&self, tenant: Uuid, parts: &[Part]) {
        let mut purses = self.lock();
        let Some(purse) = purses.get_mut(&tenant) else {
            return;
        };
        for part in parts {
            if let Some(block) = purse.blocks.iter_mut().find(|block| block.id == part.id) {
                block.left += signed(part.tokens);
                block.calls = block.calls.saturating_sub(1);
            }
        }
    }

    /// (Tokens, requests) that are held for calls to come.
    pub fn held(&self, tenant: Uuid) -> (u64, u32) {
        let purses = self.lock();
        let purse = purses.get(&tenant);
        purse.map_or((0, 0), |purse| (purse.left(Instant::now()), purse.requests))
    }

    /// What should be asked for before it is missed: when less is left than half of what the next seconds probably want.
    pub fn runs_low(&self, tenant: Uuid) -> Missing {
        let now = Instant::now();
        let mut purses = self.lock();
        let Some(purse) = purses.get_mut(&tenant) else {
            return Missing::default();
        };
        let (more_tokens, more_requests) = purse.ahead(now);
        Missing {
            more_tokens: if more_tokens > purse.left(now) {
                more_tokens
            } else {
                0
            },
            more_requests: if more_requests > purse.requests {
                more_requests
            } else {
                0
            },
            ..Missing::default()
        }
    }

    /// Puts in what was set aside, and draws what a call wants before anybody else can.
    pub fn put_in(
        &self,
        tenant: Uuid,
        aside: SetAside,
        wanted: Option<Wanted>,
    ) -> Option<Vec<Part>> {
        let now = Instant::now();
        let mut purses = self.lock();
        let purse = purses.entry(tenant).or_insert_with(|| Purse::new(now));
        purse.used_at = now;
        purse.requests = purse.requests.saturating_add(aside.requests);
        if let Some(Part { id, tokens }) = aside.block {
            purse.blocks.push(Block {
                id,
                left: signed(tokens),
                calls: 0,
                until: now + aside.good_for,
                is_spare: aside.is_spare,
            });
        }
        let wanted = wanted?;
        let parts = purse.draw(wanted, now)?;
        purse.tokens_asked.add(wanted.tokens, now);
        purse.requests_asked.add(wanted.requests.into(), now);
        Some(parts)
    }

    /// A call that has drawn `parts` has ended and took so many tokens. Answers what it took of which block: all it took, also what it had not drawn.
    pub fn put_back(&self, tenant: Uuid, parts: &[Part], took: u64) -> Vec<Part> {
        let mut purses = self.lock();
        let purse = purses.get_mut(&tenant);
        let mut blocks = purse.map(|purse| purse.blocks.as_mut_slice());
        let mut rest = took;
        let mut taken = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let is_last = index + 1 == parts.len();
            let tokens = if is_last { rest } else { rest.min(part.tokens) };
            rest -= tokens;
            taken.push(Part {
                id: part.id,
                tokens,
            });
            let block = blocks
                .as_mut()
                .and_then(|blocks| blocks.iter_mut().find(|block| block.id == part.id));
            if let Some(block) = block {
                // What it took beyond what it had drawn is of the block, too.
                block.left = (block.left + signed(part.tokens)).saturating_sub(signed(tokens));
            }
        }
        taken
    }

    /// A call is about to be written down. Answers the blocks that are not needed any more.
    pub fn leave(&self, tenant: Uuid, parts: &[Part]) -> Vec<LastBlock> {
        let now = Instant::now();
        let mut purses = self.lock();
        let Some(purse) = purses.get_mut(&tenant) else {
            return Vec::new();
        };
        for part in parts {
            if let Some(block) = purse.blocks.iter_mut().find(|block| block.id == part.id) {
                block.calls = block.calls.saturating_sub(1);
            }
        }
        let last =
            purse.take_last(|block| block.left <= 0 || !block.is_spare || !block.is_open(now));
        as_last(tenant, last).collect()
    }

    /// The blocks that nobody used lately, or all that nobody uses at the moment.
    pub fn idle(&self, all: bool) -> Vec<LastBlock> {
        let now = Instant::now();
        let mut last = Vec::new();
        self.lock().retain(|&tenant, purse| {
            let is_idle = all || now.saturating_duration_since(purse.used_at) > IDLE;
            let blocks = purse.take_last(|block| is_idle || !block.is_open(now));
            last.extend(as_last(tenant, blocks));
            !is_idle || !purse.blocks.is_empty()
        });
        last
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Purse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More than fits is more than any plan has.
fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX / 4)
}

fn as_last(tenant_id: Uuid, blocks: Vec<Uuid>) -> impl Iterator<Item = LastBlock> {
    blocks
        .into_iter()
        .map(move |id| LastBlock::of_tokens(tenant_id, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Uuid = Uuid::nil();

    fn part(id: u128, tokens: u64) -> Part {
        Part {
            id: Uuid::from_u128(id),
            tokens,
        }
    }

    fn aside(id: u128, tokens: u64, requests: u32) -> SetAside {
        SetAside {
            block: Some(part(id, tokens)),
            good_for: Duration::from_secs(60),
            is_spare: requests > 1,
            requests,
        }
    }

    fn wanted(tokens: u64) -> Wanted {
        Wanted {
            tokens,
            requests: 1,
        }
    }

    fn last(id: u128) -> LastBlock {
        LastBlock::of_tokens(TENANT, Uuid::from_u128(id))
    }

    #[test]
    fn a_single_call_asks_for_what_it_wants_and_gives_back_the_rest_at_its_end() {
        let purses = Purses::default();
        let missing = purses.draw(TENANT, wanted(100)).unwrap_err();
        assert_eq!((missing.tokens, missing.more_tokens), (100, 0));
        assert_eq!((missing.requests, missing.more_requests), (1, 0));
        let parts = purses
            .put_in(TENANT, aside(1, 100, 1), Some(wanted(100)))
            .unwrap();
        assert_eq!(parts, [part(1, 100)]);
        assert_eq!(purses.idle(true), [], "somebody uses it");
        let taken = purses.put_back(TENANT, &parts, 30);
        assert_eq!(taken, [part(1, 30)]);
        assert_eq!(purses.leave(TENANT, &parts), [last(1)]);
        assert_eq!(purses.idle(true), [], "it is given back once");
    }

    #[test]
    fn who_calls_often_has_some_set_aside() {
        let purses = Purses::default();
        purses
            .put_in(TENANT, aside(1, 100, 1), Some(wanted(100)))
            .unwrap();
        let missing = purses.draw(TENANT, wanted(100)).unwrap_err();
        assert_eq!((missing.tokens, missing.more_tokens), (100, 200));
        assert_eq!((missing.requests, missing.more_requests), (1, 2));
        let parts = purses
            .put_in(TENANT, aside(2, 300, 3), Some(wanted(100)))
            .unwrap();
        assert!(purses.draw(TENANT, wanted(200)).is_ok());
        purses.put_back(TENANT, &parts, 100);
        assert_eq!(
            purses.leave(TENANT, &parts),
            [],
            "it is kept for the next ones"
        );
    }

    #[test]
    fn a_call_may_draw_from_several_blocks_and_pays_for_what_it_had_not_drawn() {
        let purses = Purses::default();
        let first = purses
            .put_in(TENANT, aside(1, 100, 2), Some(wanted(70)))
            .unwrap();
        let both = purses
            .put_in(TENANT, aside(2, 60, 1), Some(wanted(90)))
            .unwrap();
        assert_eq!(both, [part(2, 60), part(1, 30)]);
        assert_eq!(
            purses.put_back(TENANT, &both, 200),
            [part(2, 60), part(1, 140)]
        );
        assert_eq!(purses.put_back(TENANT, &first, 20), [part(1, 20)]);
        // Of the first block 160 were taken, and it had 100.
        assert_eq!(purses.leave(TENANT, &both), [last(2)]);
        assert_eq!(purses.draw(TENANT, wanted(1)).unwrap_err().tokens, 1);
        assert_eq!(purses.leave(TENANT, &first), [last(1)]);
    }

    #[test]
    fn what_a_call_took_beyond_what_it_had_drawn_nobody_else_gets() {
        let purses = Purses::default();
        let parts = purses
            .put_in(TENANT, aside(1, 100, 2), Some(wanted(10)))
            .unwrap();
        assert_eq!(purses.put_back(TENANT, &parts, 60), [part(1, 60)]);
        assert_eq!(purses.draw(TENANT, wanted(41)).unwrap_err().tokens, 1);
        assert_eq!(purses.draw(TENANT, wanted(40)).unwrap(), [part(1, 40)]);
    }

    #[test]
    fn nothing_is_drawn_from_a_block_of_another_period() {
        let purses = Purses::default();
        let over = SetAside {
            good_for: Duration::ZERO,
            ..aside(1, 100, 2)
        };
        assert_eq!(purses.put_in(TENANT, over, None), None);
        assert_eq!(purses.draw(TENANT, wanted(10)).unwrap_err().tokens, 10);
        assert_eq!(purses.idle(false), [last(1)]);
    }

    #[test]
    fn nothing_is_given_out_twice_whatever_the_order() {
        let purses = Purses::default();
        let _none = purses.put_in(TENANT, aside(1, 1_000, 1_000), None);
        let mut held = Vec::new();
        let mut took = 0;
        for round in 0..500_u64 {
            if let Ok(parts) = purses.draw(TENANT, wanted(1 + round * 37 % 90)) {
                held.push(parts);
            }
            if round % 3 == 0 && !held.is_empty() {
                let parts = held.swap_remove(usize::try_from(round).unwrap() % held.len());
                let drawn: u64 = parts.iter().map(|part| part.tokens).sum();
                let taken = purses.put_back(TENANT, &parts, drawn / 2);
                took += taken.iter().map(|part| part.tokens).sum::<u64>();
                purses.leave(TENANT, &parts);
            }
            let drawn: u64 = held.iter().flatten().map(|part| part.tokens).sum();
            assert!(
                took + drawn <= 1_000,
                "{took} taken and {drawn} drawn of 1,000"
            );
        }
        assert!(took > 500, "{took}");
    }
}
