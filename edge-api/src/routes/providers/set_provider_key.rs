use axum::Json;
use axum::extract::State;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use sqlx::types::Json as FromJson;
use utoipa::ToSchema;
use vault::{KeyPlace, Slot, Vault, WrappedKey};

use super::provider::Provider;
use super::provider_key::ProviderKey;
use super::row::{KeyRow, ProviderRow};
use crate::error::{ApiError, ErrorBody};
use crate::extract::{self, Path};
use crate::sealing::{MOST_TRIES, Sealing, kept_key};
use crate::whose::Whose;

/// The key. It is sealed before it is kept, and nothing answers it again.
#[derive(Deserialize, ToSchema)]
#[serde(try_from = "Value")]
pub struct SetProviderKey {
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 1024, write_only)]
    key: ProviderKey,
}

/// Whatever has another shape is taken in whole and refused here: serde's own words would repeat it. So is what says more than a key, or
/// somebody may believe that it is heeded.
impl TryFrom<Value> for SetProviderKey {
    type Error = &'static str;

    fn try_from(mut body: Value) -> Result<Self, Self::Error> {
        let says_only_that = body.as_object().is_some_and(|fields| fields.len() == 1);
        match body.get_mut("key").map(Value::take) {
            Some(Value::String(text)) if says_only_that => Ok(Self { key: text.into() }),
            _ => Err("the body must be an object with a text as its key, and nothing else"),
        }
    }
}

/// Sets the tenant's own key to a provider, new or anew: its steps call that provider with it from their next calls on. Who may: members with
/// `providers.manage`.
///
/// The provider is called where the platform calls it; an address of your own cannot be set. A key is not tried out: whether the provider takes
/// it is seen at the first call.
#[utoipa::path(
    put, path = "/v1/providers/{provider}", tag = "providers", operation_id = "setProviderKey",
    params(
        ("provider" = String, Path, description = "`anthropic`, `gemini` or `openai`."),
        ("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address."),
    ),
    request_body = SetProviderKey,
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "It is set.", body = ProviderRow),
        (status = 400, description = "`invalid_provider_key`: not 8 to 1024 visible ASCII characters. `tenant_required`: it is not said whose. `invalid_json`, `invalid_body`, `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage providers. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`no_such_provider`. `not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
        (status = 413, description = "`body_too_large`.", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`: the body is not JSON.", body = ErrorBody),
        (status = 503, description = "`secrets_not_configured`: the operator has given this service no master key. `overloaded`, `unavailable`: try again after Retry-After seconds.", body = ErrorBody),
    )
)]
pub async fn set_provider_key(
    whose: Whose,
    State(vault): State<Option<Vault>>,
    Path(name): Path<String>,
    extract::Json(wanted): extract::Json<SetProviderKey>,
) -> Result<Json<ProviderRow>, ApiError> {
    let provider = Provider::named(&name)?;
    let key = wanted.key.into_checked()?;
    for _ in 0..MOST_TRIES {
        // Who may not is told so before anybody is told what this service lacks.
        let known = whose.key_for_providers().await?;
        let vault = vault.as_ref().ok_or(ApiError::SecretsNotConfigured)?;
        let sealing = Sealing::of(vault, whose.tenant_id, known).await?;
        if let Some(row) = whose.keep_provider_key(provider, &key, &sealing).await? {
            return Ok(Json(ProviderRow::new(provider, Some(row))));
        }
    }
    Err(ApiError::Overloaded(
        "the key of this tenant's secrets is being changed",
    ))
}

impl Whose {
    async fn key_for_providers(&self) -> Result<Option<(KeyPlace, WrappedKey)>, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let key = sqlx::query!(
            r#"
            select k.generation as "generation!", k.wrapped as "wrapped!", k.master_key_id as "master_key_id!"
              from edge.tenant_key_for_providers($1) k
            "#,
            self.tenant_id
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(key.map(|key| {
            kept_key(
                self.tenant_id,
                key.generation,
                key.wrapped,
                key.master_key_id,
            )
        }))
    }

    /// None when the key to seal with is not the tenant's any more.
    async fn keep_provider_key(
        &self,
        provider: Provider,
        key: &SecretString,
        sealing: &Sealing,
    ) -> Result<Option<KeyRow>, ApiError> {
        let sealed = sealing.seal(Slot::ProviderKey(provider.name()), key)?;
        let mut transaction = self.session.begin_as_service().await?;
        let row = sqlx::query_scalar!(
            r#"select edge.set_provider_key($1, $2, $3, $4, $5, $6, $7, $8) as "row: FromJson<KeyRow>""#,
            self.tenant_id,
            provider.name(),
            sealed.nonce,
            sealed.ciphertext,
            sealed.last_four,
            sealed.generation,
            sealed.new_key,
            sealed.new_key_master,
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(row.map(|FromJson(row)| row))
    }
}
