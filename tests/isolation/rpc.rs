//! How an RPC is called, and what may stand in its arguments.

use tests::world::{Tenant, Thing};
use uuid::{Uuid, uuid};

/// A function in `public`.
pub struct Rpc {
    /// As the catalogue has it.
    pub signature: &'static str,
    /// The call's arguments. What stands in braces is an id of the tenant whose rows are named.
    pub arguments: &'static str,
    /// Made true beforehand, by the superuser.
    pub given: &'static str,
    pub stranger: Answer,
    pub viewer: Answer,
    pub owner: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Works,
    /// Status and code.
    Refused(u16, &'static str),
}

/// An id that is nowhere.
const MISSING: Uuid = uuid!("01930000-0000-7000-8000-00000000dead");

/// Whose rows the arguments name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Of(Tenant),
    Nobodys,
}

/// What can stand in braces.
pub const NAMES: [&str; 13] = [
    "tenant",
    "agent",
    "listing",
    "member",
    "viewer",
    "invitation",
    "token",
    "key",
    "domain",
    "export",
    "workflow",
    "draft",
    "execution",
];

/// As SQL.
pub fn value(name: &str, whose: Whose) -> String {
    let thing = match name {
        "tenant" => None,
        "agent" => Some(Thing::Agent),
        "listing" => Some(Thing::Listing),
        "member" => Some(Thing::Editor),
        "viewer" => Some(Thing::Viewer),
        "invitation" => Some(Thing::PendingInvitation),
        "key" => Some(Thing::KeyWithAllScopes),
        "domain" => Some(Thing::Domain),
        "export" => Some(Thing::Export),
        "workflow" => Some(Thing::Workflow),
        "draft" => Some(Thing::Draft),
        "execution" => Some(Thing::QueuedExecution),
        "token" => {
            return match whose {
                Whose::Of(tenant) => format!("'{}'", tenant.invitation_token()),
                Whose::Nobodys => "'a token that was never mailed'".to_owned(),
            };
        }
        _ => panic!("{{{name}}} stands for nothing"),
    };
    let id = match (whose, thing) {
        (Whose::Nobodys, _) => MISSING,
        (Whose::Of(tenant), Some(thing)) => tenant.of(thing),
        (Whose::Of(tenant), None) => tenant.id(),
    };
    format!("'{id}'")
}

impl Rpc {
    /// The answers are those to a stranger, a viewer and the owner.
    pub const fn new(
        signature: &'static str,
        arguments: &'static str,
        answers: [Answer; 3],
    ) -> Self {
        let [stranger, viewer, owner] = answers;
        Self {
            signature,
            arguments,
            given: "select",
            stranger,
            viewer,
            owner,
        }
    }

    pub const fn given(mut self, given: &'static str) -> Self {
        self.given = given;
        self
    }

    pub fn name(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or_default()
    }

    /// What stands in braces among the arguments.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        let arguments = self.arguments;
        NAMES
            .into_iter()
            .filter(move |name| arguments.contains(&format!("{{{name}}}")))
    }

    /// The call; `whose` says whose row an id names.
    pub fn call(&self, whose: impl Fn(&str) -> Whose) -> String {
        let arguments = self.ids().fold(self.arguments.to_owned(), |arguments, id| {
            arguments.replace(&format!("{{{id}}}"), &value(id, whose(id)))
        });
        format!("select * from public.{}({arguments})", self.name())
    }
}
