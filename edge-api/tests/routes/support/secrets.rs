use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, Person};
use uuid::Uuid;
use vault::{DataKey, KeyPlace, KeyRing, Sealed, Slot, Vault, WrappedKey};

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
    opened_slot(pool, tenant, Slot::Secret(name)).await
}

/// What is in a slot, as a worker would open it.
pub async fn opened_slot(pool: &PgPool, tenant: Uuid, slot: Slot<'_>) -> Option<String> {
    let row: Option<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "select nonce, ciphertext from private.secret_values where tenant_id = $1 and kind = $2 and name = $3",
    )
    .bind(tenant)
    .bind(slot.kind())
    .bind(slot.name())
    .fetch_optional(pool)
    .await
    .expect("an answer");
    let (nonce, ciphertext) = row?;
    let (key, _) = key(pool, tenant).await;
    let value = key.open(slot, &Sealed { nonce, ciphertext });
    Some(value.expect("it opens").expose_secret().to_owned())
}

/// As a worker rotates: read, seal anew, replace at once.
pub async fn rotate(pool: &PgPool) -> bool {
    type Row = (i32, Vec<String>, Vec<String>, Vec<Vec<u8>>, Vec<Vec<u8>>);
    sqlx::query("select private.ask_for_key_rotation($1)")
        .bind(ALPHA)
        .execute(pool)
        .await
        .unwrap();
    let (generation, kinds, names, nonces, ciphertexts): Row = sqlx::query_as(
        "select generation, kinds, names, nonces, ciphertexts from queue.next_key_to_rotate(null)",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    let (old, _) = key(pool, ALPHA).await;
    if old.place().generation != generation {
        return false;
    }
    let (new, wrapped) = vault().make_key(ALPHA, generation + 1).await.unwrap();
    let resealed: Vec<_> = names
        .iter()
        .zip(&kinds)
        .zip(nonces.iter().zip(&ciphertexts))
        .map(|((name, kind), (nonce, ciphertext))| {
            let slot = Slot::from_row(kind, name).unwrap();
            let sealed = Sealed {
                nonce: nonce.clone(),
                ciphertext: ciphertext.clone(),
            };
            new.seal(slot, &old.open(slot, &sealed).unwrap()).unwrap()
        })
        .collect();
    sqlx::query_scalar("select queue.rotate_key($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(ALPHA)
        .bind(generation)
        .bind(wrapped.bytes)
        .bind(wrapped.master_key_id)
        .bind(&kinds)
        .bind(&names)
        .bind(&nonces)
        .bind(
            resealed
                .iter()
                .map(|sealed| &*sealed.nonce)
                .collect::<Vec<_>>(),
        )
        .bind(
            resealed
                .iter()
                .map(|sealed| &*sealed.ciphertext)
                .collect::<Vec<_>>(),
        )
        .fetch_one(pool)
        .await
        .unwrap()
}
