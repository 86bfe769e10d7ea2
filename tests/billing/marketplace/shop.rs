//! Listings to buy, and how they are bought.

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool, Row};
use tests::seed::{ALPHA, ALPHA_AGENT, ALPHA_OWNER, BETA_OWNER};
use uuid::Uuid;

use crate::stripe::Stripe;

/// Puts a listing of Alpha's agent on sale, the whole way from the draft.
pub async fn publish(
    session: &mut PgConnection,
    slug: &str,
    price: (&str, i64, &str, Option<&str>),
) -> Uuid {
    publish_of(session, (ALPHA, ALPHA_AGENT), slug, price).await
}

/// The same of somebody else's.
pub async fn publish_of(
    session: &mut PgConnection,
    (seller, agent): (Uuid, Uuid),
    slug: &str,
    (kind, amount, currency, interval): (&str, i64, &str, Option<&str>),
) -> Uuid {
    let listing = sqlx::query_scalar(
        "insert into public.listings (tenant_id, agent_id, agent_version, slug, title, category, price_kind, amount, currency, \"interval\")
         values ($1, $2, 1, $3, $3, 'writing', $4, $5, $6, $7) returning id",
    )
    .bind(seller)
    .bind(agent)
    .bind(slug)
    .bind(kind)
    .bind(amount)
    .bind(currency)
    .bind(interval)
    .fetch_one(&mut *session)
    .await
    .unwrap();
    for state in ["submitted", "approved", "published"] {
        become_state(session, listing, state).await;
    }
    listing
}

pub async fn become_state(session: &mut PgConnection, listing: Uuid, state: &str) {
    sqlx::query("update public.listings set state = $2 where id = $1")
        .bind(listing)
        .bind(state)
        .execute(session)
        .await
        .unwrap();
}

fn claims(person: Uuid) -> String {
    json!({"sub": person, "role": "authenticated", "aal": "aal1"}).to_string()
}

/// Runs one statement with two uuids in it, in the name of Beta's owner; the code of a refusal otherwise.
async fn in_the_name_of_the_buyer(
    session: &mut PgConnection,
    sql: &'static str,
    tenant: Uuid,
    listing: Uuid,
) -> Result<sqlx::postgres::PgRow, String> {
    let mut transaction = session.begin().await.unwrap();
    sqlx::query("select set_config('request.jwt.claims', $1, true)")
        .bind(claims(BETA_OWNER.id))
        .execute(&mut *transaction)
        .await
        .unwrap();
    let found = sqlx::query(sql)
        .bind(tenant)
        .bind(listing)
        .fetch_one(&mut *transaction)
        .await;
    match found {
        Ok(row) => {
            transaction.commit().await.unwrap();
            Ok(row)
        }
        Err(error) => {
            let message = error
                .as_database_error()
                .expect("a refusal")
                .message()
                .to_owned();
            let body: Value = serde_json::from_str(&message).unwrap_or_else(|_| panic!("{error}"));
            Err(body["code"].as_str().expect("a code").to_owned())
        }
    }
}

/// The purchase and the mode of its Checkout.
pub async fn begin(
    session: &mut PgConnection,
    tenant: Uuid,
    listing: Uuid,
) -> Result<(Option<Uuid>, String), String> {
    let row = in_the_name_of_the_buyer(
        session,
        "select purchase_id, mode from edge.begin_purchase($1, $2)",
        tenant,
        listing,
    )
    .await?;
    Ok((row.get(0), row.get(1)))
}

pub async fn accept(
    session: &mut PgConnection,
    tenant: Uuid,
    listing: Uuid,
) -> Result<Uuid, String> {
    let row = in_the_name_of_the_buyer(
        session,
        "select p.id from public.catalogue c cross join lateral private.accept_listing_price($1, c.listing_id, c.amount, c.currency) p where c.listing_id = $2
         union all
         select p.id from private.accept_listing_price($1, $2, 1, 'usd') p where not exists (select from public.catalogue c where c.listing_id = $2)",
        tenant,
        listing,
    )
    .await?;
    Ok(row.get(0))
}

/// One use of a listing, under the key that a worker would give it.
pub async fn use_once(
    session: &mut PgConnection,
    tenant: Uuid,
    listing: Uuid,
    key: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into public.usage (tenant_id, idempotency_key, execution_id, node_id, listing_id, provider, model, input_tokens, output_tokens)
         values ($1, $2, aias.uuid7(), 'ask', $3, 'openai', 'gpt-4o-mini', 10, 10)
         on conflict on constraint usage_is_counted_once do nothing",
    )
    .bind(tenant)
    .bind(key)
    .bind(listing)
    .execute(session)
    .await
    .map(drop)
}

pub async fn problems(session: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar("select format('%s: %s, expected %s, found %s', problem, reference, expected, found) from billing.ledger_check()")
        .fetch_all(session)
        .await
        .unwrap()
}

/// What the seller may do with a listing, by rpc.
pub async fn change_state(pool: &PgPool, listing: Uuid, state: &str) -> Result<(), String> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true)")
        .bind(claims(ALPHA_OWNER.id))
        .execute(&mut *transaction)
        .await
        .unwrap();
    let done = sqlx::query("select from public.change_listing_state($1, $2)")
        .bind(listing)
        .bind(state)
        .execute(&mut *transaction)
        .await;
    if let Err(error) = done {
        return Err(error
            .as_database_error()
            .expect("a refusal")
            .message()
            .to_owned());
    }
    transaction.commit().await.unwrap();
    Ok(())
}

/// What Stripe tells of a payment that Checkout took: <https://docs.stripe.com/api/charges/object>. `name` makes the ids.
impl Stripe {
    pub fn complete_checkout(
        &mut self,
        name: &str,
        purchase: Uuid,
        amount: i64,
        currency: &str,
        payment_status: &str,
    ) -> &mut Self {
        self.create(
            "checkout.session.completed",
            json!({"id": format!("cs_{name}"), "object": "checkout.session", "mode": "payment", "status": "complete", "customer": null,
                   "payment_status": payment_status, "amount_total": amount, "currency": currency, "payment_intent": format!("pi_{name}"),
                   "metadata": {"purchase_id": purchase}}),
        )
    }

    pub fn payment_intent(
        &mut self,
        name: &str,
        purchase: Uuid,
        amount: i64,
        currency: &str,
        status: &str,
    ) -> &mut Self {
        let received = if status == "succeeded" { amount } else { 0 };
        self.create(
            "payment_intent.created",
            json!({"id": format!("pi_{name}"), "object": "payment_intent", "status": status, "amount": amount, "amount_received": received,
                   "currency": currency, "customer": null, "metadata": {"purchase_id": purchase}}),
        )
    }

    /// Without metadata, as charges of invoices are.
    pub fn charge(&mut self, name: &str, amount: i64, currency: &str) -> &mut Self {
        self.create(
            "charge.succeeded",
            json!({"id": format!("ch_{name}"), "object": "charge", "status": "succeeded", "amount": amount, "amount_captured": amount,
                   "amount_refunded": 0, "refunded": false, "currency": currency, "payment_intent": format!("pi_{name}"), "customer": null, "metadata": {}}),
        )
    }

    /// So much is refunded of it by now.
    pub fn refund_charge(&mut self, name: &str, refunded: i64) -> &mut Self {
        self.update(
            "charge.refunded",
            &format!("ch_{name}"),
            json!({"amount_refunded": refunded}),
        )
    }

    pub fn dispute(&mut self, name: &str, amount: i64, currency: &str) -> &mut Self {
        self.create(
            "charge.dispute.created",
            json!({"id": format!("dp_{name}"), "object": "dispute", "status": "needs_response", "amount": amount, "currency": currency,
                   "charge": format!("ch_{name}"), "payment_intent": format!("pi_{name}"), "metadata": {}}),
        )
    }

    pub fn close_dispute(&mut self, name: &str, status: &str) -> &mut Self {
        self.update(
            "charge.dispute.closed",
            &format!("dp_{name}"),
            json!({"status": status}),
        )
    }

    /// A subscription that a purchase has begun, of a price that Checkout has made for it.
    pub fn marketplace_subscription(
        &mut self,
        name: &str,
        customer: &str,
        purchase: Uuid,
        status: &str,
    ) -> &mut Self {
        let items = self.items("price_made", self.second, self.second + 30 * 86_400);
        self.create(
            "customer.subscription.created",
            json!({"id": format!("sub_{name}"), "object": "subscription", "customer": customer, "status": status, "currency": "usd",
                   "created": self.second, "billing_cycle_anchor": self.second, "items": items, "metadata": {"purchase_id": purchase}}),
        )
    }

    /// An invoice of it that is paid, and what links it to its charge since 2025-03-31.basil.
    pub fn paid_invoice(
        &mut self,
        name: &str,
        subscription: &str,
        customer: &str,
        amount: i64,
        currency: &str,
    ) -> &mut Self {
        self.create(
            "invoice.paid",
            json!({"id": format!("in_{name}"), "object": "invoice", "customer": customer, "status": "paid", "currency": currency,
                   "created": self.second, "subtotal": amount, "total": amount, "amount_due": amount, "amount_paid": amount, "amount_remaining": 0,
                   "parent": {"type": "subscription_details", "subscription_details": {"subscription": format!("sub_{subscription}")}}}),
        )
        .create(
            "invoice_payment.paid",
            json!({"id": format!("inpay_{name}"), "object": "invoice_payment", "invoice": format!("in_{name}"), "status": "paid",
                   "amount_paid": amount, "payment": {"type": "payment_intent", "payment_intent": format!("pi_{name}")}}),
        )
    }
}
