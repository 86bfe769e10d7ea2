use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, Person};
use uuid::Uuid;
use vault::{DataKey, KeyPlace, KeyRing, Sealed, Vault, WrappedKey};

use super::{Answer, TestApp};

/// The vault that the service of these tests has.
pub fn vault() -> Vault {
    Vault::new(KeyRing::of([7; 32]))
}

/// Sets a secret of Alpha, as somebody.
pub async fn set(app: &TestApp, person: Person, name: &str, value: &str) -> Answer {
    app.request("PUT", &format!("/v1/secrets/{name}?tenant_id={ALPHA}"))
        .by(person)
        .json(&json!({ "value": value }))
        .send()
        .await
}

/// The data key of a tenant, opened, and how many it has.
pub async fn key(pool: &PgPool, tenant: Uuid) -> (DataKey, i64) {
    let (generation, bytes, master_key_id, count): (i32, Vec<u8>, String, i64) = sqlx::query_as(
        "select generation, wrapped, master_key_id, count(*) over () from private.tenant_keys where tenant_id = $1",
    )
    .bind(tenant)
    .fetch_one(pool)
    .await
    .expect("a key");
    let place = KeyPlace {
        tenant_id: tenant,
        generation,
    };
    let wrapped = WrappedKey {
        master_key_id,
        bytes,
    };
    let key = vault().open_key(place, &wrapped).await;
    (key.expect("it opens"), count)
}

/// The value of a secret as a worker would open it. None when there is no such secret.
pub async fn opened(pool: &PgPool, tenant: Uuid, name: &str) -> Option<String> {
    let row: Option<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "select nonce, ciphertext from private.secret_values where tenant_id = $1 and name = $2",
    )
    .bind(tenant)
    .bind(name)
    .fetch_optional(pool)
    .await
    .expect("an answer");
    let (nonce, ciphertext) = row?;
    let (key, _) = key(pool, tenant).await;
    let value = key.open(name, &Sealed { nonce, ciphertext });
    Some(value.expect("it opens").expose_secret().to_owned())
}
