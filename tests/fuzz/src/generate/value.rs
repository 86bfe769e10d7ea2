//! Values: ours, theirs, made up, and odd ones.

use rand::Rng;
use serde_json::{Value, json};

use super::Generator;
use crate::catalogue::{Column, Type};
use crate::pools::Side;

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Source {
    Own,
    Foreign,
    MadeUp,
    AnyForeignId,
    Odd,
}

/// Names that all tenants share, by where they are given: whether one is taken is no secret, since two cannot have it. Nobody asks for those
/// of the foreign tenants here; the list is not to grow.
const PUBLIC_NAMES: [(&str, &str); 2] = [
    // An address in the DNS.
    ("tenants", "subdomain"),
    ("create_tenant", "subdomain"),
];

fn is_public(place: &str, name: &str) -> bool {
    PUBLIC_NAMES.contains(&(place, name))
}

impl Generator<'_> {
    /// A value to look for.
    pub(super) fn wanted(&mut self, relation: &str, column: &Column) -> Value {
        let pools = self.scene.pools;
        let source = self.source(&[
            (Source::Own, 38),
            (Source::Foreign, 44),
            (Source::MadeUp, 8),
            (Source::AnyForeignId, 4),
            (Source::Odd, 6),
        ]);
        let pool = |side| pools.of_column(side, relation, &column.name);
        let shared = pool(Side::Nobody);
        let pool = match source {
            Source::Own if shared.is_empty() => pool(Side::Lane(self.lane)),
            Source::Own => shared,
            Source::Foreign => pool(Side::Foreign),
            Source::AnyForeignId => pools.ids(Side::Foreign),
            Source::Odd => return self.odd(),
            Source::MadeUp => &[],
        };
        self.one_of(pool, column.kind)
    }

    /// A value to write. What is foreign in it stands in our own rows afterwards, so only a part of the foreign values is ever written.
    pub(super) fn written(&mut self, relation: &str, column: &Column) -> Value {
        let pools = self.scene.pools;
        let source = self.source(&[
            (Source::Own, 45),
            (Source::Foreign, 25),
            (Source::MadeUp, 24),
            (Source::AnyForeignId, 3),
            (Source::Odd, 3),
        ]);
        let pool = match source {
            Source::Own => pools.of_column(Side::Lane(self.lane), relation, &column.name),
            Source::Foreign if is_public(relation, &column.name) => &[],
            Source::Foreign => pools.of_column(Side::Foreign, relation, &column.name),
            Source::AnyForeignId => pools.ids(Side::Foreign),
            Source::Odd => return self.odd(),
            Source::MadeUp => &[],
        };
        let may_be_written: Vec<&Value> =
            pool.iter().filter(|value| self.may_write(value)).collect();
        if may_be_written.is_empty() {
            return self.made_up(column.kind);
        }
        may_be_written[self.below(may_be_written.len())].clone()
    }

    /// A value for an argument of a function, which speaks of a table by its name.
    pub(super) fn argument(&mut self, function: &str, argument: &Column) -> Value {
        let pools = self.scene.pools;
        let source = self.source(&[
            (Source::Own, 36),
            (Source::Foreign, 46),
            (Source::MadeUp, 10),
            (Source::AnyForeignId, 5),
            (Source::Odd, 3),
        ]);
        let of = |side| pools.of_argument(side, &argument.name, argument.kind);
        let pool = match source {
            Source::Own => of(Side::Lane(self.lane)),
            Source::Foreign if is_public(function, &argument.name) => &[],
            Source::Foreign => of(Side::Foreign),
            Source::AnyForeignId => pools.ids(Side::Foreign),
            Source::Odd => return self.odd(),
            Source::MadeUp => &[],
        };
        self.one_of(pool, argument.kind)
    }

    fn source(&mut self, sources: &[(Source, u32)]) -> Source {
        match self.at_home && self.chance(92) {
            true => Source::Own,
            false => *self.weighted(sources),
        }
    }

    fn one_of(&mut self, pool: &[Value], kind: Type) -> Value {
        match pool.is_empty() {
            true => self.made_up(kind),
            false => self.pick(pool).clone(),
        }
    }

    /// A third of the foreign values, another in each sequence; ours always.
    fn may_write(&self, value: &Value) -> bool {
        let text = value.to_string();
        if self.scene.secrets.said_in(&text).is_empty() {
            return true;
        }
        let hash = text.bytes().fold(self.salt, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash >> 20) % 3 == 0
    }

    pub(super) fn made_up(&mut self, kind: Type) -> Value {
        self.made += 1;
        match kind {
            Type::Uuid => json!(uuid::Uuid::from_u128(
                // Of the right version, and nobody's.
                (self.rng.random::<u128>() & !(0xf << 76) & !(0xc << 60)) | (7 << 76) | (8 << 60)
            )),
            Type::Number => json!(*self.pick(&[-1, 0, 1, 2, 7, 1000, 101_001])),
            Type::Bool => json!(self.chance(50)),
            Type::Time => json!(*self.pick(&["2024-12-31T00:00:00Z", "2025-01-05", "2099-01-01T00:00:00+02:00"])),
            Type::Json => self
                .pick(&[
                    json!({}),
                    json!([]),
                    json!({"temperature": 1}),
                    json!([{"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}}]),
                ])
                .clone(),
            Type::Array => self
                .pick(&[
                    json!([]),
                    json!(["agents.read"]),
                    json!(["agents.read", "workflows.write"]),
                    json!(["billing.manage", "members.manage"]),
                ])
                .clone(),
            Type::Text | Type::Other => {
                let word = format!("made{}x{}", self.lane, self.made);
                json!(match self.below(4) {
                    0 => format!("{word}@made.test"),
                    1 => format!("{word}/model"),
                    2 => format!("{word}.made.test"),
                    _ => word,
                })
            }
        }
    }

    fn odd(&mut self) -> Value {
        let odd = [
            json!(null),
            json!(""),
            json!("'"),
            json!("%"),
            json!("*"),
            json!("a,b)"),
            json!("\\"),
            json!("null"),
            json!("NaN"),
            json!("1e999"),
            json!("ü☃"),
            json!(-1),
            json!(9_223_372_036_854_775_807_i64),
            json!(true),
            json!({"a": [1]}),
            json!("x".repeat(300)),
            json!("00000000-0000-0000-0000-000000000000"),
        ];
        self.pick(&odd).clone()
    }
}
