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

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::RwLock;
use uuid::Uuid;

use super::allowance::{CountedInLimit, Limit, MissingOfLimit, Wanted};
use super::block::{LastBlock, Part, signed};
use super::purse::Purse;

/// What nobody used for so long is given back.
const IDLE: Duration = Duration::from_secs(2);

/// What has to be asked of the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    pub tokens: u64,
    pub more_tokens: u64,
    pub requests: u32,
    pub more_requests: u32,
    pub of_limits: Vec<MissingOfLimit>,
}

impl Missing {
    /// Nothing for others.
    pub fn without_more(mut self) -> Self {
        self.more_tokens = 0;
        self.more_requests = 0;
        for of_limit in &mut self.of_limits {
            of_limit.more_tokens = 0;
            of_limit.more_requests = 0;
        }
        self
    }

    /// As if nothing were left.
    pub fn all_of(mut self, wanted: Wanted) -> Self {
        self.tokens = wanted.tokens;
        self.requests = wanted.requests;
        for of_limit in &mut self.of_limits {
            of_limit.tokens = wanted.tokens;
            of_limit.requests = wanted.requests;
        }
        self
    }
}

/// What the database has set aside.
#[derive(Debug, Clone)]
pub struct SetAside {
    pub block: Option<Part>,
    /// Calls draw from it for so long: not beyond the billing period that it is of. Who has drawn may go on.
    pub good_for: Duration,
    /// It was asked for more than one call: what is left of it is kept for the next ones.
    pub is_spare: bool,
    pub requests: u32,
    pub of_limits: Vec<CountedInLimit>,
}

/// What is held for calls to come, of a tenant or in a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    pub tokens: u64,
    pub requests: u32,
}

/// What this process holds, of all tenants.
#[derive(Default)]
pub struct Purses(Mutex<HashMap<Uuid, Purse>>);

impl Purses {
    /// What has to be asked for before a call can draw what it wants.
    pub fn missing(&self, tenant: Uuid, wanted: Wanted, limits: &[Limit]) -> Missing {
        let now = Instant::now();
        let mut purses = self.lock();
        let purse = purses.entry(tenant).or_insert_with(|| Purse::new(now));
        purse.missing(wanted, limits, now)
    }

    /// Draws what a call wants, or says what has to be asked for first.
    pub fn draw(
        &self,
        tenant: Uuid,
        wanted: Wanted,
        limits: &[Limit],
    ) -> Result<Vec<Part>, Missing> {
        let now = Instant::now();
        let mut purses = self.lock();
        let purse = purses.entry(tenant).or_insert_with(|| Purse::new(now));
        purse.used_at = now;
        match purse.draw(wanted, limits, now) {
            Some(parts) => Ok(parts),
            None => Err(purse.missing(wanted, limits, now)),
        }
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
    pub fn undo(&self, tenant: Uuid, parts: &[Part], limits: &[Limit]) {
        if let Some(purse) = self.lock().get_mut(&tenant) {
            purse.undo(parts, limits);
        }
    }

    /// Of the tenant, and in each of these limits.
    pub fn held(&self, tenant: Uuid, limits: &[Limit]) -> (Held, Vec<Held>) {
        let purses = self.lock();
        let Some(purse) = purses.get(&tenant) else {
            return (Held::default(), vec![Held::default(); limits.len()]);
        };
        let of_limit = |limit: &Limit| match purse.allowances.get(&limit.id) {
            Some(allowance) => Held {
                tokens: allowance.tokens,
                requests: allowance.requests,
            },
            None => Held::default(),
        };
        let of_tenant = Held {
            tokens: purse.left(Instant::now()),
            requests: purse.requests,
        };
        (of_tenant, limits.iter().map(of_limit).collect())
    }

    /// What should be asked for before it is missed.
    pub fn runs_low(&self, tenant: Uuid, limits: &[Limit]) -> Missing {
        let mut purses = self.lock();
        let purse = purses.get_mut(&tenant);
        purse.map_or_else(Missing::default, |purse| {
            purse.runs_low(limits, Instant::now())
        })
    }

    /// Puts in what was set aside, and draws what a call wants before anybody else can.
    pub fn put_in(
        &self,
        tenant: Uuid,
        aside: &SetAside,
        wanted: Option<Wanted>,
        limits: &[Limit],
    ) -> Option<Vec<Part>> {
        let now = Instant::now();
        let mut purses = self.lock();
        let purse = purses.entry(tenant).or_insert_with(|| Purse::new(now));
        purse.put_in(aside, now);
        purse.draw(wanted?, limits, now)
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
            // What a limit has counted long ago is not used on top of what it lets through now.
            purse
                .allowances
                .retain(|_, allowance| now.saturating_duration_since(allowance.used_at) <= IDLE);
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
            of_limits: Vec::new(),
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
        let missing = purses.draw(TENANT, wanted(100), &[]).unwrap_err();
        assert_eq!((missing.tokens, missing.more_tokens), (100, 0));
        assert_eq!((missing.requests, missing.more_requests), (1, 0));
        let parts = purses
            .put_in(TENANT, &aside(1, 100, 1), Some(wanted(100)), &[])
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
            .put_in(TENANT, &aside(1, 100, 1), Some(wanted(100)), &[])
            .unwrap();
        let missing = purses.draw(TENANT, wanted(100), &[]).unwrap_err();
        assert_eq!((missing.tokens, missing.more_tokens), (100, 200));
        assert_eq!((missing.requests, missing.more_requests), (1, 2));
        let parts = purses
            .put_in(TENANT, &aside(2, 300, 3), Some(wanted(100)), &[])
            .unwrap();
        assert!(purses.draw(TENANT, wanted(200), &[]).is_ok());
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
            .put_in(TENANT, &aside(1, 100, 2), Some(wanted(70)), &[])
            .unwrap();
        let both = purses
            .put_in(TENANT, &aside(2, 60, 1), Some(wanted(90)), &[])
            .unwrap();
        assert_eq!(both, [part(2, 60), part(1, 30)]);
        assert_eq!(
            purses.put_back(TENANT, &both, 200),
            [part(2, 60), part(1, 140)]
        );
        assert_eq!(purses.put_back(TENANT, &first, 20), [part(1, 20)]);
        // Of the first block 160 were taken, and it had 100.
        assert_eq!(purses.leave(TENANT, &both), [last(2)]);
        assert_eq!(purses.draw(TENANT, wanted(1), &[]).unwrap_err().tokens, 1);
        assert_eq!(purses.leave(TENANT, &first), [last(1)]);
    }

    #[test]
    fn what_a_call_took_beyond_what_it_had_drawn_nobody_else_gets() {
        let purses = Purses::default();
        let parts = purses
            .put_in(TENANT, &aside(1, 100, 2), Some(wanted(10)), &[])
            .unwrap();
        assert_eq!(purses.put_back(TENANT, &parts, 60), [part(1, 60)]);
        assert_eq!(purses.draw(TENANT, wanted(41), &[]).unwrap_err().tokens, 1);
        assert_eq!(purses.draw(TENANT, wanted(40), &[]).unwrap(), [part(1, 40)]);
    }

    #[test]
    fn nothing_is_drawn_from_a_block_of_another_period() {
        let purses = Purses::default();
        let over = SetAside {
            good_for: Duration::ZERO,
            ..aside(1, 100, 2)
        };
        assert_eq!(purses.put_in(TENANT, &over, None, &[]), None);
        assert_eq!(purses.draw(TENANT, wanted(10), &[]).unwrap_err().tokens, 10);
        assert_eq!(purses.idle(false), [last(1)]);
    }

    #[test]
    fn nothing_is_given_out_twice_whatever_the_order() {
        let purses = Purses::default();
        let _none = purses.put_in(TENANT, &aside(1, 1_000, 1_000), None, &[]);
        let mut held = Vec::new();
        let mut took = 0;
        for round in 0..500_u64 {
            if let Ok(parts) = purses.draw(TENANT, wanted(1 + round * 37 % 90), &[]) {
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

    const KEYS: Limit = Limit {
        id: Uuid::from_u128(7),
        limits_requests: true,
        limits_tokens: false,
    };
    const MODELS: Limit = Limit {
        id: Uuid::from_u128(8),
        limits_requests: false,
        limits_tokens: true,
    };

    fn counted(limit: &Limit, tokens: u64, requests: u32) -> CountedInLimit {
        CountedInLimit {
            id: limit.id,
            tokens,
            requests,
        }
    }

    #[test]
    fn a_call_draws_in_all_of_its_limits_or_nowhere() {
        let purses = Purses::default();
        let held = SetAside {
            of_limits: vec![counted(&KEYS, 0, 2), counted(&MODELS, 50, 0)],
            ..aside(1, 100, 5)
        };
        assert_eq!(purses.put_in(TENANT, &held, None, &[]), None);
        let both = [KEYS, MODELS];
        let missing = purses.draw(TENANT, wanted(51), &both).unwrap_err();
        assert_eq!((missing.tokens, missing.requests), (0, 0));
        let of_limits: Vec<_> = missing
            .of_limits
            .iter()
            .map(|m| (m.tokens, m.requests))
            .collect();
        assert_eq!(of_limits, [(0, 0), (1, 0)]);
        assert_eq!(purses.held(TENANT, &[]).0.requests, 5, "nothing is drawn");

        let parts = purses.draw(TENANT, wanted(50), &both).unwrap();
        let missing = purses.draw(TENANT, wanted(1), &[MODELS]).unwrap_err();
        assert_eq!(missing.of_limits[0].tokens, 1);
        assert!(purses.draw(TENANT, wanted(1), &[KEYS]).is_ok());
        assert_eq!(
            purses
                .draw(TENANT, wanted(1), &[KEYS])
                .unwrap_err()
                .of_limits[0]
                .requests,
            1
        );
        // Not made: its tokens are there again, and its request was asked.
        purses.undo(TENANT, &parts, &both);
        let (tenant, of_limits) = purses.held(TENANT, &both);
        assert_eq!((tenant.tokens, tenant.requests), (99, 3));
        assert_eq!((of_limits[0].requests, of_limits[1].tokens), (0, 50));
    }

    #[test]
    fn who_calls_often_has_some_counted_in_its_limits() {
        let purses = Purses::default();
        let held = SetAside {
            of_limits: vec![counted(&KEYS, 0, 1)],
            ..aside(1, 10, 1)
        };
        let parts = purses.put_in(TENANT, &held, Some(wanted(10)), &[KEYS]);
        assert!(parts.is_some());
        let missing = purses.draw(TENANT, wanted(10), &[KEYS]).unwrap_err();
        assert_eq!(
            missing.of_limits,
            [MissingOfLimit {
                id: KEYS.id,
                tokens: 0,
                more_tokens: 0,
                requests: 1,
                more_requests: 2,
            }]
        );
        assert_eq!(
            purses.runs_low(TENANT, &[KEYS]).of_limits[0].more_requests,
            2
        );
        assert_eq!(missing.without_more().of_limits[0].more_requests, 0);
    }
}
