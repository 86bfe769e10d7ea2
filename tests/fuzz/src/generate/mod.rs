//! Random requests, from the catalogue and the world alone: no answer plays a part, so a seed gives the same requests whatever happens.

mod edge;
mod filter;
mod malform;
mod read;
mod rpc;
mod schema;
mod select;
mod target;
#[cfg(test)]
mod tests;
mod value;
mod write;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::catalogue::{Catalogue, Relation};
use crate::pools::Pools;
use crate::request::{Kind, Request};
use crate::secrets::Secrets;
use crate::world::Lane;

/// How often each kind comes, of all.
const KINDS: [(Kind, u32); 13] = [
    (Kind::Select, 20),
    (Kind::Embed, 16),
    (Kind::Head, 4),
    (Kind::Insert, 8),
    (Kind::Upsert, 7),
    (Kind::Update, 9),
    (Kind::Delete, 4),
    (Kind::Put, 2),
    (Kind::Call, 15),
    (Kind::CallByGet, 4),
    (Kind::Schema, 3),
    (Kind::Malformed, 5),
    (Kind::Edge, 5),
];

/// What requests are made from.
pub struct Scene<'a> {
    pub catalogue: &'a Catalogue,
    pub pools: &'a Pools,
    pub lanes: &'a [Lane],
    pub secrets: &'a Secrets,
    pub seed: u64,
}

impl Scene<'_> {
    /// The requests of one lane in one round, in the order in which they are sent.
    pub fn sequence(&self, round: usize, lane: usize, length: usize) -> Vec<Request> {
        let mut generator = Generator {
            scene: self,
            rng: StdRng::seed_from_u64(mixed(self.seed, round, lane)),
            lane,
            actor: 0,
            at_home: false,
            made: 0,
            salt: mixed(self.seed, round, lane + 1000),
        };
        (0..length).map(|_| generator.request()).collect()
    }
}

/// One number out of three, in which each matters (the finalizer of splitmix64).
fn mixed(seed: u64, round: usize, lane: usize) -> u64 {
    let mut z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add((round as u64) << 16)
        .wrapping_add(lane as u64);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

struct Generator<'a> {
    scene: &'a Scene<'a>,
    rng: StdRng,
    lane: usize,
    actor: usize,
    /// This request is only about what is ours, so that many are answered with more than a refusal.
    at_home: bool,
    /// Counts the words that were made up, so that each is new.
    made: u32,
    /// Decides which foreign values this sequence writes down. The others are never its to know, so each sight of them is a leak.
    salt: u64,
}

impl<'a> Generator<'a> {
    fn request(&mut self) -> Request {
        let kind = *self.weighted(&KINDS);
        self.actor = self.person(kind);
        self.at_home = self.chance(25);
        self.of_kind(kind)
    }

    fn of_kind(&mut self, kind: Kind) -> Request {
        // Where only functions were asked for.
        if self.scene.catalogue.relations.is_empty() {
            return if self.chance(80) {
                self.call()
            } else {
                self.call_by_get()
            };
        }
        match kind {
            Kind::Select | Kind::Embed | Kind::Head => self.read(kind),
            Kind::Insert | Kind::Upsert => self.insert(kind),
            Kind::Update => self.update(),
            Kind::Delete => self.delete(),
            Kind::Put => self.put(),
            Kind::Call => self.call(),
            Kind::CallByGet => self.call_by_get(),
            Kind::Schema => self.other_schema(),
            Kind::Malformed => self.malformed(),
            Kind::Edge => self.edge(),
        }
    }

    /// An API key is for edge-api; at the other door it comes now and then.
    fn person(&mut self, kind: Kind) -> usize {
        let people = &self.scene.lanes[self.lane].people;
        let writes = matches!(
            kind,
            Kind::Insert | Kind::Upsert | Kind::Update | Kind::Delete | Kind::Put | Kind::Call
        );
        let weights: Vec<(usize, u32)> = people
            .iter()
            .enumerate()
            .map(|(index, person)| match person.name.as_str() {
                "api key" if kind == Kind::Edge => (index, 8),
                // Whoever may do much, may do much by mistake.
                "owner" | "admin" if writes => (index, 3 * person.weight),
                _ => (index, person.weight),
            })
            .collect();
        *self.weighted(&weights)
    }

    /// A table or view. Those that clients write come more often where something is written.
    fn relation(&mut self, writes: bool) -> &'a Relation {
        let relations = &self.scene.catalogue.relations;
        let written = ["ai_agents", "workflows", "roles", "tenants", "users"];
        if writes && self.chance(75) {
            let table = written[self.rng.random_range(0..written.len())];
            if let Some(relation) = self.scene.catalogue.relation(table) {
                return relation;
            }
        }
        &relations[self.rng.random_range(0..relations.len())]
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end.max(1))
    }

    fn pick<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.rng.random_range(0..items.len())]
    }

    fn weighted<'b, T>(&mut self, items: &'b [(T, u32)]) -> &'b T {
        let total: u32 = items.iter().map(|(_, weight)| weight).sum();
        let mut left = self.rng.random_range(0..total.max(1));
        for (item, weight) in items {
            if left < *weight {
                return item;
            }
            left -= weight;
        }
        &items[0].0
    }
}
