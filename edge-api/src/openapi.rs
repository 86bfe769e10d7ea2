//! The API's description: what the routes say of themselves, and what is true of all of them.

use std::sync::Arc;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Response, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::error::ErrorBody;

/// Rendered once.
#[derive(Clone, Default)]
pub struct Description(Arc<str>);

impl Description {
    pub fn json(&self) -> String {
        self.0.to_string()
    }
}

/// What the description starts from, before the routes add themselves.
pub fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("AIAS edge API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "What must answer over HTTP. Tables and RPCs are PostgREST's; this service starts executions, streams their events, cancels \
             them, serves exports and takes secrets and own keys to providers of models, as the caller and under the same row-level security.\n\n\
             The caller is a person with the access token of a Supabase Auth session, or a program with a tenant's API key, which may what \
             its scopes say and nothing else. Both are sent as `Authorization: Bearer ...`.\n\n\
             Every error has one body: `{code, message, details, hint}`. Codes are stable. Every answer carries `X-Request-Id`.",
        ))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// Adds the credentials, and the errors that any route under `/v1` and `/hooks` may answer; those about credentials only where one is asked for.
pub fn describe(mut description: OpenApi) -> Description {
    let session = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The access token of a Supabase Auth session."));
    let components = description.components.get_or_insert_with(Components::new);
    components.add_security_scheme("session", SecurityScheme::Http(session.build()));
    let api_key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("aias_...")
        .description(Some(
            "An API key of one tenant: made by the RPC `create_api_key`, shown once, refused from the moment it is revoked.",
        ));
    components.add_security_scheme("api_key", SecurityScheme::Http(api_key.build()));
    components
        .schemas
        .insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    for (name, _, text) in COMMON {
        components
            .responses
            .insert((*name).to_owned(), RefOr::T(common(text)));
    }

    for (path, item) in &mut description.paths.paths {
        if !path.starts_with("/v1/") && !path.starts_with("/hooks/") {
            continue;
        }
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let is_open = operation.security.is_none();
            for (name, status, _) in COMMON {
                if is_open && matches!(*status, "401" | "403") {
                    continue;
                }
                let reference = || RefOr::Ref(Ref::from_response_name(*name));
                operation
                    .responses
                    .responses
                    .entry((*status).to_owned())
                    .or_insert_with(reference);
            }
        }
    }
    let json = description
        .to_pretty_json()
        .unwrap_or_else(|_| "{}".to_owned());
    Description(Arc::from(json))
}

const COMMON: &[(&str, &str, &str)] = &[
    (
        "Unauthorized",
        "401",
        "`missing_credential`, `invalid_token`, `token_expired`, `invalid_api_key`; see the header WWW-Authenticate.",
    ),
    (
        "WrongHost",
        "403",
        "`wrong_host`: an API key was sent to the address of another tenant.",
    ),
    (
        "Internal",
        "500",
        "`internal`: nobody foresaw it; details name the request to ask about.",
    ),
    (
        "Unavailable",
        "503",
        "`overloaded`, `unavailable`: try again after Retry-After seconds.",
    ),
    (
        "Timeout",
        "504",
        "`timeout`: it took too long and was given up.",
    ),
];

fn common(text: &str) -> Response {
    let body: Content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ErrorBody::name())))
        .build();
    ResponseBuilder::new()
        .description(text)
        .content("application/json", body)
        .build()
}
