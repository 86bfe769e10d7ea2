use serde_json::Value;

use super::interval::Interval;
use crate::error::ApiError;
use crate::stripe::{Form, IdempotencyKey, StripeApi, StripeError};
use crate::whose::Whose;

/// Who is to pay.
pub enum Payer {
    /// A customer of Stripe.
    Known(String),
    /// One that has to be made.
    Unknown { name: String, key: String },
}

impl Payer {
    /// As the database tells it.
    pub fn of(customer: Option<String>, name: String, key: String) -> Self {
        match customer {
            Some(customer) => Self::Known(customer),
            None => Self::Unknown { name, key },
        }
    }

    /// The customer's id, of a customer that is made where there was none. However many ask at once, there is one.
    pub async fn customer(self, whose: &Whose, api: &StripeApi) -> Result<String, ApiError> {
        let (name, key) = match self {
            Self::Known(customer) => return Ok(customer),
            Self::Unknown { name, key } => (name, key),
        };
        // Nothing in it may differ between two who ask at once, or Stripe refuses the second: hence not the name, which may just be changed. An
        // event that comes before we have written the customer down says by this whose it is.
        let form = Form::new().with("metadata[tenant_id]", whose.tenant_id);
        let made = api
            .post("customers", &form, &IdempotencyKey::of(key))
            .await?;
        let made = id(&made)?;
        let customer = whose.link_customer(&made).await?;
        let named = Form::new().with("name", name);
        let path = format!("customers/{customer}");
        // For the invoices; who begins has not to wait for it, and who owns the tenant can write it there.
        if let Err(error) = api.post(&path, &named, &IdempotencyKey::fresh()).await {
            tracing::warn!(%error, customer, "a new customer has no name in Stripe");
        }
        Ok(customer)
    }
}

/// The id of an object that Stripe has answered.
pub fn id(object: &Value) -> Result<String, StripeError> {
    let id = object["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| StripeError::Unreadable("an object without an id".to_owned()))
}

impl Whose {
    pub async fn customer_for_checkout(
        &self,
        plan: &str,
        interval: Interval,
    ) -> Result<Payer, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let row = sqlx::query!(
            r#"select c.customer, c.name as "name!", c.key as "key!" from edge.customer_for_checkout($1, $2, $3) c"#,
            self.tenant_id,
            plan,
            interval.name()
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Payer::of(row.customer, row.name, row.key))
    }

    /// The tenant's customer: this one, or one that came before it.
    async fn link_customer(&self, customer: &str) -> Result<String, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let linked = sqlx::query_scalar!(
            r#"select edge.link_customer($1, $2) as "customer!""#,
            self.tenant_id,
            customer
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(linked)
    }
}
