//! Who may what: a row for each route.

pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub query: &'static str,
    pub door: Door,
}

pub enum Door {
    /// Anybody, with or without a credential, good or bad: the status is this.
    Open(u16),
    /// Those whose credential is good, by what they may.
    Credential(Statuses),
}

/// By kind of caller. A key of Alpha has every scope that the route is about, only that to see what the route is about, or another.
pub struct Statuses {
    pub stranger: u16,
    pub viewer: u16,
    pub owner: u16,
    pub key: u16,
    pub key_that_reads: u16,
    pub key_for_something_else: u16,
    pub key_of_another_tenant: u16,
}

/// What viewers see.
const READ: Statuses = Statuses {
    stranger: 404,
    viewer: 200,
    owner: 200,
    key: 200,
    key_that_reads: 200,
    key_for_something_else: 404,
    key_of_another_tenant: 404,
};

/// What viewers see and may not do.
const WRITE: Statuses = Statuses {
    viewer: 403,
    key_that_reads: 403,
    ..READ
};

/// The same, answered 202.
const ENQUEUE: Statuses = Statuses {
    owner: 202,
    key: 202,
    ..WRITE
};

/// What nobody may by reading, and anybody in the tenant knows of.
const EXPORT: Statuses = Statuses {
    key_for_something_else: 403,
    ..WRITE
};

/// Those who manage secrets see them too, and nobody else.
const SECRETS: Statuses = EXPORT;

/// The same of models, which are not seen either by who may not call them.
const MODELS: Statuses = EXPORT;
/// As secrets.
const PROVIDERS: Statuses = SECRETS;

/// As secrets; and there is no subscription to change.
const BILLING: Statuses = SECRETS;
const CHANGE_OF_SUBSCRIPTION: Statuses = Statuses {
    owner: 409,
    key: 409,
    ..BILLING
};

pub const ROUTES: &[Route] = &[
    credential("POST", "/v1/executions", ENQUEUE),
    credential("GET", "/v1/executions/{id}", READ),
    credential("GET", "/v1/executions/{id}/events", READ),
    credential("POST", "/v1/executions/{id}/cancel", WRITE),
    credential("GET", "/v1/exports/{id}", EXPORT),
    of_alpha("GET", "/v1/secrets", SECRETS),
    of_alpha("PUT", "/v1/secrets/{name}", SECRETS),
    of_alpha(
        "DELETE",
        "/v1/secrets/{name}",
        Statuses {
            owner: 204,
            key: 204,
            ..SECRETS
        },
    ),
    of_alpha("GET", "/v1/billing/preview", EXPORT),
    of_alpha("GET", "/v1/models", MODELS),
    of_alpha("POST", "/v1/chat/completions", MODELS),
    of_alpha("POST", "/v1/embeddings", MODELS),
    of_alpha("GET", "/v1/providers", PROVIDERS),
    of_alpha("PUT", "/v1/providers/{provider}", PROVIDERS),
    of_alpha(
        "DELETE",
        "/v1/providers/{provider}",
        Statuses {
            owner: 204,
            key: 204,
            ..PROVIDERS
        },
    ),
    of_alpha("POST", "/v1/billing/checkout", BILLING),
    of_alpha("POST", "/v1/billing/purchases", BILLING),
    // Of the customer that the checkout has made.
    of_alpha("POST", "/v1/billing/portal", BILLING),
    of_alpha("POST", "/v1/billing/subscription", CHANGE_OF_SUBSCRIPTION),
    open("POST", "/hooks/{token}", "?a=1", 202),
    open("POST", "/webhooks/stripe", "", 200),
    open("GET", "/v1/tenant", "", 200),
    open("GET", "/healthz", "", 200),
    open("GET", "/readyz", "", 200),
    open("GET", "/metrics", "", 200),
    open("GET", "/tls/ask", "?domain=alpha.apps.test", 200),
    open("GET", "/openapi.json", "", 200),
    open("GET", "/docs", "", 200),
    open("GET", "/docs/page.css", "", 200),
    open("GET", "/docs/page.js", "", 200),
];

const fn open(method: &'static str, path: &'static str, query: &'static str, status: u16) -> Route {
    Route {
        method,
        path,
        query,
        door: Door::Open(status),
    }
}

const fn credential(method: &'static str, path: &'static str, statuses: Statuses) -> Route {
    Route {
        method,
        path,
        query: "",
        door: Door::Credential(statuses),
    }
}

/// Of a tenant that the request names.
const fn of_alpha(method: &'static str, path: &'static str, statuses: Statuses) -> Route {
    Route {
        method,
        path,
        query: "?tenant_id=01900000-0000-7000-8000-00000000a000",
        door: Door::Credential(statuses),
    }
}

pub const READ_SCOPES: &[&str] = &["workflows.read", "executions.read"];
pub const ALL_SCOPES: &[&str] = &[
    "workflows.read",
    "executions.read",
    "workflows.execute",
    "executions.cancel",
    "tenant.export",
    "secrets.manage",
    "models.call",
    "providers.manage",
    "billing.read",
    "billing.manage",
];
