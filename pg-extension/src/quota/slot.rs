//! One slot of a quota, and the arithmetic of sharing a limit among slots. No Postgres in here.

use super::period;
use crate::instant::{INFINITY, MINUS_INFINITY};

/// A part of a tenant's allowance for one meter, which one transaction at a time takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub number: i16,
    /// Counted here in the slot's period. Only the sum over all slots means something to a user: what one slot took, another may have
    /// been given back, so a single one can be negative.
    pub used: i64,
    /// The slot's part of the limit, at least 0; the parts sum up to the limit. `None` when the meter is unlimited.
    pub allowance: Option<i64>,
    /// Where the tenant's billing periods begin; `None` for a stock.
    pub anchor: Option<i64>,
    /// The end of the period that `used` belongs to; infinity for a stock.
    pub period_end: i64,
    /// When the limit itself changes next, because an add-on or an override ends.
    pub valid_until: i64,
}

/// There are never more slots than this: beyond it the commit, not the row, is what sessions wait for.
pub const MOST_SLOTS: usize = 64;

/// How many slots a meter begins with: two, so that one transaction that stays open does not keep everybody else waiting.
pub const FIRST_SLOTS: usize = 2;

/// A slot is not worth its row with a smaller part of the limit than this.
const SMALLEST_SHARE: i64 = 2;

impl Slot {
    /// The slot as it is at `now`: when its period is over, nothing of the new one is used yet.
    ///
    /// Each slot passes into the new period when it is next touched. No transaction has to roll a whole tenant over, and keep every other
    /// one waiting until it commits.
    pub fn at(mut self, now: i64) -> Self {
        if now >= self.period_end
            && let Some(anchor) = self.anchor
        {
            self.used = 0;
            self.period_end = period::around(anchor, now).1;
        }
        self
    }

    /// How much may still be taken. Negative when more is used than is allowed.
    pub fn free(&self) -> i64 {
        match self.allowance {
            Some(allowance) => allowance.saturating_sub(self.used),
            None => i64::MAX,
        }
    }

    /// When the period of `used` began; minus infinity for a stock.
    pub fn period_start(&self) -> i64 {
        match self.anchor {
            // The instant before the end is inside the period.
            Some(anchor) => period::around(anchor, self.period_end.saturating_sub(1)).0,
            None => MINUS_INFINITY,
        }
    }

    /// What this slot can hand to another: half, so that neither is back soon, and never so much that its own part turns negative.
    pub fn spare(&self) -> i64 {
        match self.allowance {
            Some(allowance) => (self.free() / 2).min(allowance).max(0),
            None => 0,
        }
    }
}

/// The sums over all slots of a meter at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    pub used: i64,
    /// `None` when unlimited.
    pub limit: Option<i64>,
    pub period_end: i64,
}

impl Total {
    pub fn of(slots: impl IntoIterator<Item = Slot>) -> Self {
        let mut total = Total {
            used: 0,
            limit: Some(0),
            period_end: INFINITY,
        };
        for slot in slots {
            total.used = total.used.saturating_add(slot.used);
            total.limit = match (total.limit, slot.allowance) {
                (Some(limit), Some(allowance)) => Some(limit.saturating_add(allowance)),
                _ => None,
            };
            total.period_end = total.period_end.min(slot.period_end);
        }
        total
    }

    pub fn free(&self) -> i64 {
        match self.limit {
            Some(limit) => limit.saturating_sub(self.used),
            None => i64::MAX,
        }
    }
}

/// Shares a limit, and what is used of it, among at most `wanted` slots.
///
/// Every slot's part is at least 0, for it is what the slot may use when the next period begins. When more is used than is allowed, all
/// of it goes to slot 0: then no other slot has anything free, and what is given back there pays the excess first.
pub fn share_out(limit: Option<i64>, used: i64, wanted: usize) -> Vec<(Option<i64>, i64)> {
    let wanted = wanted.clamp(1, MOST_SLOTS);
    let Some(limit) = limit else {
        let mut shares = vec![(None, 0); wanted];
        shares[0].1 = used;
        return shares;
    };
    if used >= limit || used < 0 {
        return vec![(Some(limit), used)];
    }
    let most = usize::try_from(limit / SMALLEST_SHARE).unwrap_or(MOST_SLOTS);
    let count = wanted.min(most).max(1);
    // Cut both the same way: then no slot has used more than its part.
    let cut = |whole: i64, index: usize| {
        whole / count as i64 + i64::from((index as i64) < whole % count as i64)
    };
    (0..count)
        .map(|index| (Some(cut(limit, index)), cut(used, index)))
        .collect()
}

/// How many new slots a contended one may be split into, and what each of them gets.
pub fn split(slot: &Slot, slots: usize, amount: i64) -> (usize, Option<i64>) {
    let room = MOST_SLOTS.saturating_sub(slots).min(slots);
    let Some(allowance) = slot.allowance else {
        return (room, None);
    };
    let free = slot.free().min(allowance).max(0);
    let smallest = amount.saturating_mul(2).max(SMALLEST_SHARE);
    let most = usize::try_from(free / smallest).unwrap_or(MOST_SLOTS);
    let count = room.min(most.saturating_sub(1));
    (count, Some(free / (count as i64 + 1)))
}
