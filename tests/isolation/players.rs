//! Who plays against the matrix, and what each of them holds in force.

use std::collections::BTreeSet;

use tests::actor::Actor;
use tests::world::{
    self, ALPHA, BOTH, CLOSED, FROZEN, GUARDED, OVER, Status, TENANTS, Tenant, Thing,
};
use uuid::Uuid;

use crate::held::{ONE_FACTOR, READ_ONLY, ROLES, of_key, of_role};

pub struct Player {
    pub name: String,
    pub actor: Actor,
    /// Whose rows are the player's own.
    pub home: Tenant,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Nothing,
    Role(Thing),
    Key(Thing),
}

impl Player {
    /// The account of the person, if it is one.
    pub fn person(&self) -> Option<Uuid> {
        match &self.actor {
            Actor::Authenticated(claims) => Some(claims.sub),
            Actor::Anonymous | Actor::Key(_) => None,
        }
    }

    pub fn is_anonymous(&self) -> bool {
        self.actor == Actor::Anonymous
    }

    /// Whether the player belongs to nothing.
    pub fn is_stranger(&self) -> bool {
        !self.is_anonymous()
            && TENANTS
                .iter()
                .all(|tenant| self.holds_in(*tenant).is_none())
    }

    /// The permissions that are in force for the player in a tenant; none for whoever does not belong to it, now.
    pub fn holds_in(&self, tenant: Tenant) -> Option<BTreeSet<&'static str>> {
        let granted = match self.standing {
            Standing::Nothing => return None,
            _ if tenant != self.home => return None,
            Standing::Role(role) => of_role(role),
            Standing::Key(Thing::RevokedKey | Thing::ExpiredKey) => return None,
            Standing::Key(key) => of_key(key),
        };
        let is_owner = self.standing == Standing::Role(Thing::Owner);
        let granted: BTreeSet<_> = match tenant.status {
            Status::Active => granted.to_vec(),
            Status::Suspended => only(granted, &READ_ONLY),
            Status::Cancelled if is_owner => only(granted, &READ_ONLY),
            Status::Cancelled | Status::Over => return None,
        }
        .into_iter()
        .collect();
        let lacks_a_factor = tenant.requires_second_factor
            && matches!(&self.actor, Actor::Authenticated(claims) if claims.aal != "aal2");
        Some(if lacks_a_factor {
            only(&granted.into_iter().collect::<Vec<_>>(), &ONE_FACTOR)
                .into_iter()
                .collect()
        } else {
            granted
        })
    }
}

fn only(granted: &[&'static str], kept: &[&str]) -> Vec<&'static str> {
    granted
        .iter()
        .copied()
        .filter(|permission| kept.contains(permission))
        .collect()
}

/// Everybody, in the order in which they play.
pub fn players() -> Vec<Player> {
    let mut players = Vec::new();
    let mut add = |name: String, actor, home, standing| {
        players.push(Player {
            name,
            actor,
            home,
            standing,
        });
    };
    for (role, thing) in ROLES {
        add(
            role.to_owned(),
            ALPHA.person(thing),
            ALPHA,
            Standing::Role(thing),
        );
    }
    for (name, key) in [
        ("key with all scopes", Thing::KeyWithAllScopes),
        ("key with few scopes", Thing::KeyWithFewScopes),
        ("revoked key", Thing::RevokedKey),
        ("expired key", Thing::ExpiredKey),
    ] {
        add(name.to_owned(), ALPHA.key(key), ALPHA, Standing::Key(key));
    }
    add(
        "revoked member".to_owned(),
        ALPHA.person(Thing::Former),
        ALPHA,
        Standing::Nothing,
    );
    add(
        "stranger".to_owned(),
        world::stranger(),
        ALPHA,
        Standing::Nothing,
    );
    add(
        "anon".to_owned(),
        Actor::Anonymous,
        ALPHA,
        Standing::Nothing,
    );
    for (state, tenant) in [
        ("suspended", FROZEN),
        ("cancelled", CLOSED),
        ("erasable", OVER),
        ("guarded", GUARDED),
    ] {
        for (role, thing) in [
            ("owner", Thing::Owner),
            ("admin", Thing::Admin),
            ("viewer", Thing::Viewer),
        ] {
            add(
                format!("{role} of a {state} tenant"),
                tenant.person(thing),
                tenant,
                Standing::Role(thing),
            );
        }
        add(
            format!("key of a {state} tenant"),
            tenant.key(Thing::KeyWithAllScopes),
            tenant,
            Standing::Key(Thing::KeyWithAllScopes),
        );
    }
    for (state, tenant) in [("guarded", GUARDED), ("guarded and suspended", BOTH)] {
        add(
            format!("owner of a {state} tenant, with both factors"),
            tenant.person_with_second_factor(Thing::Owner),
            tenant,
            Standing::Role(Thing::Owner),
        );
    }
    add(
        "owner of a guarded and suspended tenant".to_owned(),
        BOTH.person(Thing::Owner),
        BOTH,
        Standing::Role(Thing::Owner),
    );
    players
}
