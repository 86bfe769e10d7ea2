use axum::http::StatusCode;
use edge_api::stripe::{ReturnUrls, StripeApi, StripeSettings};
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER, Person};
use tests::stripe::{KEY, Stripe};
use uuid::Uuid;

use super::{Answer, TestApp};

pub const BACK: &str = "https://app.test/billing";

/// The service with Stripe behind it, and plans that are sold.
pub struct Shop {
    pub app: TestApp,
    pub stripe: Stripe,
}

impl Shop {
    pub async fn open(pool: PgPool) -> Self {
        let stripe = Stripe::start().await;
        let api = api(&stripe.url, KEY);
        let app = TestApp::with(pool, |configuration| {
            configuration.stripe_api = Some(api);
            configuration.return_urls = return_urls();
        })
        .await;
        let shop = Self { app, stripe };
        sell(&shop.app.pool, &shop.stripe).await;
        shop
    }

    pub async fn checkout(&self, body: Value) -> Answer {
        self.ask("checkout", ALPHA_OWNER, &body).await
    }

    pub async fn change(&self, body: Value) -> Answer {
        self.ask("subscription", ALPHA_OWNER, &body).await
    }

    pub async fn ask(&self, what: &str, person: Person, body: &Value) -> Answer {
        self.app
            .post(&format!("/v1/billing/{what}?tenant_id={ALPHA}"))
            .by(person)
            .json(body)
            .send()
            .await
    }

    /// Alpha has bought a plan, and Stripe has told so.
    pub async fn subscribed(&self, plan: &str) -> Value {
        let answer = self.checkout(wanted(plan)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let subscription = self.stripe.pay(&self.last_session());
        self.tell(&subscription).await;
        subscription
    }

    pub fn last_session(&self) -> String {
        let mut sessions = self.stripe.all("checkout.session");
        sessions.sort_by_key(|session| session["created"].as_u64());
        let last = sessions.last().expect("a session");
        last["id"].as_str().expect("an id").to_owned()
    }

    /// Stripe tells how an object is, and a worker applies it.
    pub async fn tell(&self, object: &Value) {
        tell(&self.app.pool, object).await;
    }

    /// How many of a kind there are in Stripe.
    pub fn count(&self, kind: &str) -> usize {
        self.stripe.all(kind).len()
    }
}

/// What is bought most of the time.
pub fn wanted(plan: &str) -> Value {
    json!({"plan": plan, "success_url": BACK, "cancel_url": BACK})
}

pub fn api(url: &str, key: &str) -> StripeApi {
    let settings = StripeSettings {
        key: key.into(),
        base: url.parse().expect("a URL"),
    };
    StripeApi::new(settings).expect("a client")
}

pub fn return_urls() -> ReturnUrls {
    ReturnUrls::read("https://app.test").expect("origins")
}

/// Two plans by the month, and one of them by the year.
pub async fn sell(pool: &PgPool, stripe: &Stripe) {
    stripe.price("price_professional", "month", 4900);
    stripe.price("price_professional_yearly", "year", 49_000);
    stripe.price("price_enterprise", "month", 49_900);
    sqlx::raw_sql(
        "update public.subscription_plans set stripe_price_monthly = 'price_professional', stripe_price_yearly = 'price_professional_yearly'
          where key = 'professional';
         update public.subscription_plans set stripe_price_monthly = 'price_enterprise' where key = 'enterprise'",
    )
    .execute(pool)
    .await
    .expect("plans");
}

pub async fn tell(pool: &PgPool, object: &Value) {
    let kind = object["object"].as_str().expect("a kind");
    let number: i64 = sqlx::query_scalar("select count(*) from billing.events")
        .fetch_one(pool)
        .await
        .expect("billing.events");
    let event = json!({
        "id": format!("evt_{number}"), "object": "event", "api_version": "2025-03-31.basil", "created": 1_770_000_000 + number, "livemode": false,
        "type": match kind { "subscription" => "customer.subscription.updated".to_owned(), kind => format!("{kind}.updated") },
        "data": {"object": object},
    });
    sqlx::query("select edge.keep_stripe_events(array[$1])")
        .bind(event.to_string())
        .execute(pool)
        .await
        .expect("kept");
    let applied: i32 = sqlx::query_scalar("select billing.apply_events(100, false)")
        .fetch_one(pool)
        .await
        .expect("applied");
    assert_eq!(applied, 1);
}

/// Somebody's agent, in the marketplace at a price. The id is of the slug.
pub async fn publish(
    pool: &PgPool,
    seller: Uuid,
    slug: &str,
    (kind, interval): (&str, Option<&str>),
) -> Uuid {
    let agent: Uuid = sqlx::query_scalar(
        "insert into public.ai_agents (tenant_id, name, slug, model) values ($1, 'Greeter', $2, 'openai/gpt-4o-mini') returning id",
    )
    .bind(seller)
    .bind(slug)
    .fetch_one(pool)
    .await
    .expect("an agent");
    let listing = listing(slug);
    sqlx::query(
        "insert into public.listings (tenant_id, id, agent_id, agent_version, slug, title, category, price_kind, amount, currency, \"interval\", state, published_version)
         values ($1, $2, $3, 1, $4, 'Greeter & Co', 'greeting', $5, 1999, 'usd', $6, 'published', 1)",
    )
    .bind(seller)
    .bind(listing)
    .bind(agent)
    .bind(slug)
    .bind(kind)
    .bind(interval)
    .execute(pool)
    .await
    .expect("a listing");
    listing
}

pub fn listing(slug: &str) -> Uuid {
    let mut id = [0; 16];
    id[..slug.len()].copy_from_slice(slug.as_bytes());
    Uuid::from_bytes(id)
}
