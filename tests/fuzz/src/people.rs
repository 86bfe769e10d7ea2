//! Who asks: the members of a lane's tenant in every role, an API key, somebody who belongs nowhere, and nobody.

use anyhow::{Result, ensure};
use sqlx::{PgPool, Row};
use tests::jwt::Claims;
use uuid::Uuid;

pub struct Person {
    /// A role, or `stranger`, `anon`, `api key`.
    pub name: String,
    /// None for anon.
    pub token: Option<String>,
    /// A command that sets `$TOKEN`, to ask again by hand.
    pub sign_in: String,
    /// How often it asks, beside the others.
    pub weight: u32,
}

/// The tokens are made here, with the secret of the project: a session of a day for each.
pub async fn of_tenant(
    database: &PgPool,
    tenant: Uuid,
    number: i32,
    jwt_secret: &str,
) -> Result<Vec<Person>> {
    let rows = sqlx::query(
        "select u.id, u.email::text, m.role, t.requires_second_factor
           from fuzz.people x
           join auth.users u on u.id = x.id
           join public.tenants t on t.id = x.tenant_id
           left join public.memberships m on m.tenant_id = x.tenant_id and m.user_id = x.id
          where x.tenant_id = $1 and u.email not like 'guest@%'
          order by u.id",
    )
    .bind(tenant)
    .fetch_all(database)
    .await?;
    ensure!(!rows.is_empty(), "nobody belongs to tenant {number}");
    let mut people = Vec::new();
    for row in rows {
        let (id, email): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
        let role: Option<String> = row.try_get(2)?;
        let name = role.unwrap_or_else(|| "stranger".to_owned());
        let mut claims = Claims::of(id, &email);
        claims.exp += 86_400;
        // Where a second factor is asked for, some have one and some do not.
        if row.try_get(3)? && ["owner", "editor", "blind"].contains(&name.as_str()) {
            claims.aal = "aal2".to_owned();
        }
        people.push(Person {
            weight: match name.as_str() {
                "owner" => 8,
                "admin" | "editor" => 4,
                _ => 2,
            },
            name,
            token: Some(claims.sign(jwt_secret)),
            sign_in: format!(
                "TOKEN=$(curl --silent \"$API/auth/v1/token?grant_type=password\" --header \"apikey: $KEY\" \
                 --json \"{{\\\"email\\\": \\\"{email}\\\", \\\"password\\\": \\\"$PASSWORD\\\"}}\" | jq --raw-output .access_token)"
            ),
        });
    }
    let key: String = sqlx::query_scalar("select fuzz.api_key($1)")
        .bind(number)
        .fetch_one(database)
        .await?;
    let of_database =
        format!("TOKEN=$(psql \"$DATABASE_URL\" -At -c 'select fuzz.api_key({number})')");
    for (name, token, sign_in) in [
        ("api key", Some(key), of_database.as_str()),
        ("anon", None, "# without a token"),
    ] {
        people.push(Person {
            name: name.to_owned(),
            token,
            sign_in: sign_in.to_owned(),
            weight: 1,
        });
    }
    Ok(people)
}
