//! What is set aside for one tenant.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::RwLock;
use uuid::Uuid;

use super::allowance::{AHEAD, Allowance, Limit, MissingOfLimit, Wanted};
use super::block::{Block, Part, signed};
use super::demand::Demand;
use super::purses::{Missing, SetAside};

/// From how many blocks one call may draw. Whoever would need more asks for one that is large enough.
pub const MOST_BLOCKS: usize = 4;

pub struct Purse {
    pub blocks: Vec<Block>,
    pub requests: u32,
    /// By the limits that they are of.
    pub allowances: HashMap<Uuid, Allowance>,
    tokens_asked: Demand,
    requests_asked: Demand,
    pub used_at: Instant,
    /// Held by whoever asks for more.
    pub asking: Arc<RwLock<()>>,
}

impl Purse {
    pub fn new(now: Instant) -> Self {
        Self {
            blocks: Vec::new(),
            requests: 0,
            allowances: HashMap::new(),
            tokens_asked: Demand::new(now),
            requests_asked: Demand::new(now),
            used_at: now,
            asking: Arc::default(),
        }
    }

    pub fn left(&self, now: Instant) -> u64 {
        let open = self.blocks.iter().filter(|block| block.is_open(now));
        open.map(Block::free).sum()
    }

    /// All of what is wanted, of the tenant and in each of these limits, or nothing.
    pub fn draw(&mut self, wanted: Wanted, limits: &[Limit], now: Instant) -> Option<Vec<Part>> {
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
        if !limits
            .iter()
            .all(|limit| self.allowance(limit, now).has(limit, wanted))
        {
            return None;
        }
        for limit in limits {
            self.allowance(limit, now).take(wanted, now);
        }
        self.requests -= wanted.requests;
        self.tokens_asked.add(wanted.tokens, now);
        self.requests_asked.add(wanted.requests.into(), now);
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

    pub fn put_in(&mut self, aside: &SetAside, now: Instant) {
        self.used_at = now;
        self.requests = self.requests.saturating_add(aside.requests);
        if let Some(Part { id, tokens }) = aside.block {
            self.blocks.push(Block {
                id,
                left: signed(tokens),
                calls: 0,
                until: now + aside.good_for,
                is_spare: aside.is_spare,
            });
        }
        for counted in &aside.of_limits {
            let allowance = self.allowances.entry(counted.id);
            let allowance = allowance.or_insert_with(|| Allowance::new(now));
            allowance.put_in(counted, now);
        }
    }

    /// A call that was to draw is not made; its requests were asked all the same.
    pub fn undo(&mut self, parts: &[Part], limits: &[Limit]) {
        for part in parts {
            if let Some(block) = self.blocks.iter_mut().find(|block| block.id == part.id) {
                block.left += signed(part.tokens);
                block.calls = block.calls.saturating_sub(1);
            }
        }
        let tokens: u64 = parts.iter().map(|part| part.tokens).sum();
        for limit in limits.iter().filter(|limit| limit.limits_tokens) {
            if let Some(allowance) = self.allowances.get_mut(&limit.id) {
                allowance.tokens = allowance.tokens.saturating_add(tokens);
            }
        }
    }

    pub fn missing(&mut self, wanted: Wanted, limits: &[Limit], now: Instant) -> Missing {
        let (more_tokens, more_requests) = self.ahead(now);
        let of_limits = limits
            .iter()
            .map(|limit| self.allowance(limit, now).missing(limit, wanted, now))
            .collect();
        Missing {
            tokens: wanted.tokens.saturating_sub(self.left(now)),
            more_tokens,
            requests: wanted.requests.saturating_sub(self.requests),
            more_requests,
            of_limits,
        }
    }

    /// Of what less is left than half of what the next seconds probably want.
    pub fn runs_low(&mut self, limits: &[Limit], now: Instant) -> Missing {
        let (more_tokens, more_requests) = self.ahead(now);
        let of_limits = limits.iter().map(|limit| {
            let allowance = self.allowance(limit, now);
            let (more_tokens, more_requests) = allowance.ahead(now);
            MissingOfLimit {
                id: limit.id,
                tokens: 0,
                more_tokens: beyond(more_tokens, allowance.tokens),
                requests: 0,
                more_requests: beyond(more_requests, allowance.requests),
            }
        });
        Missing {
            of_limits: of_limits.collect(),
            more_tokens: beyond(more_tokens, self.left(now)),
            more_requests: beyond(more_requests, self.requests),
            ..Missing::default()
        }
    }

    fn ahead(&mut self, now: Instant) -> (u64, u32) {
        let tokens = (self.tokens_asked.recent(now) * AHEAD).saturating_sub(self.left(now));
        let requests =
            (self.requests_asked.recent(now) * AHEAD).saturating_sub(self.requests.into());
        (tokens, u32::try_from(requests).unwrap_or(u32::MAX / 2))
    }

    fn allowance(&mut self, limit: &Limit, now: Instant) -> &mut Allowance {
        let allowance = self.allowances.entry(limit.id);
        allowance.or_insert_with(|| Allowance::new(now))
    }

    /// What is left of blocks that nobody has drawn from, and is not to be kept.
    pub fn take_last(&mut self, is_last: impl Fn(&Block) -> bool) -> Vec<Uuid> {
        let last = |block: &mut Block| block.calls == 0 && is_last(block);
        self.blocks
            .extract_if(.., last)
            .map(|block| block.id)
            .collect()
    }
}

fn beyond<T: PartialOrd + Default>(more: T, left: T) -> T {
    if more > left { more } else { T::default() }
}
