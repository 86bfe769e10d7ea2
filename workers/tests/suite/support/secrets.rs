//! Secrets, set as edge-api sets them.

use secrecy::ExposeSecret;
use sqlx::{PgPool, Postgres, Transaction};
use tests::seed::{ALPHA, ALPHA_OWNER, BETA_OWNER};
use uuid::Uuid;
use vault::{KeyPlace, KeyRing, Sealed, Slot, Vault, WrappedKey};

pub const MASTER: [u8; 32] = [7; 32];
/// The same as a variable has it.
pub const MASTER_IN_BASE64: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// The vault of workers in these tests.
pub fn vault() -> Vault {
    Vault::new(KeyRing::of(MASTER))
}

/// Sets a secret, for the tenant's owner. Answers how often it had to be sealed.
pub async fn set(pool: &PgPool, vault: &Vault, tenant: Uuid, name: &str, value: &str) -> u32 {
    set_slot(pool, vault, tenant, Slot::Secret(name), value).await
}

/// Sets the tenant's own key to a provider.
pub async fn set_key(pool: &PgPool, vault: &Vault, tenant: Uuid, provider: &str, key: &str) -> u32 {
    set_slot(pool, vault, tenant, Slot::ProviderKey(provider), key).await
}

async fn set_slot(pool: &PgPool, vault: &Vault, tenant: Uuid, slot: Slot<'_>, value: &str) -> u32 {
    let (look, keep) = match slot {
        Slot::Secret(_) => (
            "select generation, wrapped, master_key_id from edge.tenant_key($1)",
            "select edge.set_secret($1, $2, $3, $4, null, $5, $6, $7)",
        ),
        Slot::ProviderKey(_) => (
            "select generation, wrapped, master_key_id from edge.tenant_key_for_providers($1)",
            "select edge.set_provider_key($1, $2, $3, $4, null, $5, $6, $7)",
        ),
    };
    for tries in 1.. {
        let mut edge = as_owner(pool, tenant).await;
        let known: Option<(i32, Vec<u8>, String)> = sqlx::query_as(look)
            .bind(tenant)
            .fetch_optional(&mut *edge)
            .await
            .unwrap();
        let (key, new) = match known {
            Some((generation, bytes, master_key_id)) => {
                let place = KeyPlace {
                    tenant_id: tenant,
                    generation,
                };
                let wrapped = WrappedKey {
                    master_key_id,
                    bytes,
                };
                (vault.open_key(place, &wrapped).await.unwrap(), None)
            }
            None => {
                let (key, wrapped) = vault.make_key(tenant, 1).await.unwrap();
                (key, Some(wrapped))
            }
        };
        let sealed = key.seal(slot, &value.into()).unwrap();
        let kept: Option<serde_json::Value> = sqlx::query_scalar(keep)
            .bind(tenant)
            .bind(slot.name())
            .bind(sealed.nonce)
            .bind(sealed.ciphertext)
            .bind(key.place().generation)
            .bind(new.as_ref().map(|new| new.bytes.clone()))
            .bind(new.as_ref().map(|new| new.master_key_id.clone()))
            .fetch_one(&mut *edge)
            .await
            .unwrap();
        edge.commit().await.unwrap();
        if kept.is_some() {
            return tries;
        }
    }
    unreachable!("it is tried for as long as it takes")
}

/// Ends the tenant's own key to a provider.
pub async fn delete_key(pool: &PgPool, tenant: Uuid, provider: &str) {
    let mut edge = as_owner(pool, tenant).await;
    sqlx::query("select edge.delete_provider_key($1, $2)")
        .bind(tenant)
        .bind(provider)
        .execute(&mut *edge)
        .await
        .unwrap();
    edge.commit().await.unwrap();
}

/// A transaction in which edge-api's functions are asked in the name of the tenant's owner.
async fn as_owner(pool: &PgPool, tenant: Uuid) -> Transaction<'static, Postgres> {
    let owner = if tenant == ALPHA {
        ALPHA_OWNER
    } else {
        BETA_OWNER
    };
    let mut edge = pool.begin().await.unwrap();
    sqlx::query("select set_config('request.jwt.claims', $1, true)")
        .bind(owner.actor().claims())
        .execute(&mut *edge)
        .await
        .unwrap();
    edge
}

/// All that is kept of a tenant, opened: the generation of its key, and its values by name. Panics when something does not open.
pub async fn opened(pool: &PgPool, vault: &Vault, tenant: Uuid) -> (i32, Vec<(String, String)>) {
    type Row = (i32, Vec<u8>, String, String, String, Vec<u8>, Vec<u8>);
    let rows: Vec<Row> = sqlx::query_as(
        "select k.generation, k.wrapped, k.master_key_id, v.kind, v.name, v.nonce, v.ciphertext
           from private.tenant_keys k left join private.secret_values v on v.tenant_id = k.tenant_id and v.key_generation = k.generation
          where k.tenant_id = $1 order by v.kind, v.name",
    )
    .bind(tenant)
    .fetch_all(pool)
    .await
    .unwrap();
    let mut values = Vec::new();
    let mut generations = Vec::new();
    for (generation, bytes, master_key_id, kind, name, nonce, ciphertext) in rows {
        let place = KeyPlace {
            tenant_id: tenant,
            generation,
        };
        let wrapped = WrappedKey {
            master_key_id,
            bytes,
        };
        let key = vault.open_key(place, &wrapped).await.unwrap();
        let slot = Slot::from_row(&kind, &name).unwrap();
        let value = key.open(slot, &Sealed { nonce, ciphertext }).unwrap();
        values.push((name, value.expose_secret().to_owned()));
        generations.push(generation);
    }
    generations.dedup();
    assert_eq!(generations.len(), 1, "{generations:?}");
    (generations[0], values)
}
