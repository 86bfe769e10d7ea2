//! What each role and key holds, and what is left of it: said here in words of its own, not asked of the database.

use tests::world::Thing;

/// Everything that a role can allow. The test compares it with the table.
pub const PERMISSIONS: [&str; 21] = [
    "tenant.manage",
    "members.read",
    "members.manage",
    "roles.manage",
    "keys.manage",
    "agents.read",
    "agents.write",
    "workflows.read",
    "workflows.write",
    "workflows.execute",
    "executions.read",
    "executions.cancel",
    "usage.read",
    "billing.read",
    "billing.manage",
    "audit.read",
    "tenant.export",
    "tenant.close",
    "secrets.manage",
    "providers.manage",
    "models.call",
];

/// What is left while a tenant is suspended, and to owners while it is cancelled.
pub const READ_ONLY: [&str; 10] = [
    "members.read",
    "agents.read",
    "workflows.read",
    "executions.read",
    "usage.read",
    "billing.read",
    "billing.manage",
    "audit.read",
    "tenant.export",
    "tenant.close",
];

/// What one factor is enough for where a tenant asks for two.
pub const ONE_FACTOR: [&str; 4] = [
    "agents.read",
    "workflows.read",
    "executions.read",
    "usage.read",
];

/// What the roles of the fixture allow. The test compares it with the table.
pub fn of_role(role: Thing) -> &'static [&'static str] {
    match role {
        Thing::Owner => &PERMISSIONS,
        Thing::Admin => &[
            "tenant.manage",
            "members.read",
            "members.manage",
            "roles.manage",
            "keys.manage",
            "agents.read",
            "agents.write",
            "workflows.read",
            "workflows.write",
            "workflows.execute",
            "executions.read",
            "executions.cancel",
            "usage.read",
            "billing.read",
            "audit.read",
            "tenant.export",
            "secrets.manage",
            "providers.manage",
            "models.call",
        ],
        Thing::Editor => &[
            "members.read",
            "agents.read",
            "agents.write",
            "workflows.read",
            "workflows.write",
            "workflows.execute",
            "executions.read",
            "executions.cancel",
            "usage.read",
            "models.call",
        ],
        Thing::Viewer => &[
            "members.read",
            "agents.read",
            "workflows.read",
            "executions.read",
        ],
        Thing::Billing => &[
            "members.read",
            "usage.read",
            "billing.read",
            "billing.manage",
        ],
        Thing::Auditor => &["audit.read", "executions.read"],
        Thing::Blind => &[
            "agents.write",
            "executions.cancel",
            "roles.manage",
            "tenant.manage",
            "workflows.execute",
            "workflows.write",
        ],
        _ => &[],
    }
}

pub fn of_key(key: Thing) -> &'static [&'static str] {
    match key {
        Thing::KeyWithFewScopes => &["agents.read", "agents.write", "members.read"],
        _ => &PERMISSIONS,
    }
}

/// Each role of the fixture, by its key.
pub const ROLES: [(&str, Thing); 7] = [
    ("owner", Thing::Owner),
    ("admin", Thing::Admin),
    ("editor", Thing::Editor),
    ("viewer", Thing::Viewer),
    ("billing", Thing::Billing),
    ("auditor", Thing::Auditor),
    ("blind", Thing::Blind),
];
