use axum::Json;
use axum::extract::State;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use sqlx::types::Json as FromJson;
use utoipa::ToSchema;
use vault::{KeyPlace, Slot, Vault, WrappedKey, is_secret_name};

use super::row::SecretRow;
use super::value::SecretValue;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{self, Path};
use crate::sealing::{MOST_TRIES, Sealing, kept_key};
use crate::whose::Whose;

/// The value. It is sealed before it is kept, and nothing answers it again.
#[derive(Deserialize, ToSchema)]
#[serde(try_from = "Value")]
pub struct SetSecret {
    #[schema(value_type = String, format = Password, min_length = 4, max_length = 16384, write_only)]
    value: SecretValue,
}

/// Whatever has another shape is taken in whole and refused here: serde's own words would repeat it.
impl TryFrom<Value> for SetSecret {
    type Error = &'static str;

    fn try_from(mut body: Value) -> Result<Self, Self::Error> {
        match body.get_mut("value").map(Value::take) {
            Some(Value::String(text)) => Ok(Self { value: text.into() }),
            _ => Err("the body must be an object with a text as its value"),
        }
    }
}

/// Sets a secret, new or anew; steps use it as `secrets.<name>`. Who may: members with `secrets.manage`. The next call of a step has the
/// new value.
///
/// Whoever may write workflows can use every secret of the tenant, and so send it wherever a step can call.
#[utoipa::path(
    put, path = "/v1/secrets/{name}", tag = "secrets", operation_id = "setSecret",
    params(
        ("name" = String, Path, description = "1 to 64 letters, digits and underscores, and no digit first."),
        ("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address."),
    ),
    request_body = SetSecret,
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "It is set.", body = SecretRow),
        (status = 400, description = "`invalid_secret_name`, `secret_too_short`: fewer than 4 characters. `tenant_required`: it is not said whose. `invalid_json`, `invalid_body`, `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage secrets. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
        (status = 409, description = "`too_many_secrets`: a tenant has at most 100.", body = ErrorBody),
        (status = 413, description = "`secret_too_large`: more than 16 KiB. `body_too_large`.", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`: the body is not JSON.", body = ErrorBody),
        (status = 503, description = "`secrets_not_configured`: the operator has given this service no master key. `overloaded`, `unavailable`: try again after Retry-After seconds.", body = ErrorBody),
    )
)]
pub async fn set_secret(
    whose: Whose,
    State(vault): State<Option<Vault>>,
    Path(name): Path<String>,
    extract::Json(wanted): extract::Json<SetSecret>,
) -> Result<Json<SecretRow>, ApiError> {
    if !is_secret_name(&name) {
        return Err(ApiError::bad_request(
            "invalid_secret_name",
            "a secret's name has 1 to 64 letters, digits and underscores, and begins with no digit",
        ));
    }
    let value = wanted.value.into_checked()?;
    for _ in 0..MOST_TRIES {
        // Who may not is told so before anybody is told what this service lacks.
        let known = whose.key().await?;
        let vault = vault.as_ref().ok_or(ApiError::SecretsNotConfigured)?;
        let sealing = Sealing::of(vault, whose.tenant_id, known).await?;
        if let Some(secret) = whose.keep(&name, &value, &sealing).await? {
            return Ok(Json(secret));
        }
    }
    Err(ApiError::Overloaded(
        "the key of this tenant's secrets is being changed",
    ))
}

impl Whose {
    /// In a transaction of its own: to open a key may mean to ask somebody far away.
    async fn key(&self) -> Result<Option<(KeyPlace, WrappedKey)>, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let key = sqlx::query!(
            r#"
            select k.generation as "generation!", k.wrapped as "wrapped!", k.master_key_id as "master_key_id!"
              from edge.tenant_key($1) k
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

    /// None when the key is not the tenant's any more.
    async fn keep(
        &self,
        name: &str,
        value: &SecretString,
        sealing: &Sealing,
    ) -> Result<Option<SecretRow>, ApiError> {
        let sealed = sealing.seal(Slot::Secret(name), value)?;
        let mut transaction = self.session.begin_as_service().await?;
        let secret = sqlx::query_scalar!(
            r#"select edge.set_secret($1, $2, $3, $4, $5, $6, $7, $8) as "secret: FromJson<SecretRow>""#,
            self.tenant_id,
            name,
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
        Ok(secret.map(|FromJson(secret)| secret))
    }
}
