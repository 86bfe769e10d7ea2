//! Products and prices in Stripe become what the plans are, however often that is asked for.

use sqlx::PgPool;
use tests::stripe::{Fault, KEY};
use xtask::stripe_sync_plans::{Stripe, sync};

struct Shop {
    stripe: tests::stripe::Stripe,
    pool: PgPool,
}

impl Shop {
    async fn open(pool: PgPool) -> Self {
        let stripe = tests::stripe::Stripe::start().await;
        Self { stripe, pool }
    }

    async fn sync(&self, dry_run: bool) -> Vec<String> {
        let stripe = Stripe::read(|name| {
            Some(match name {
                "STRIPE_API_BASE" => self.stripe.url.clone(),
                _ => KEY.to_owned(),
            })
        });
        let mut connection = self.pool.acquire().await.unwrap();
        sync(&mut connection, &stripe.unwrap(), dry_run)
            .await
            .unwrap()
    }

    /// The prices that plans are sold at, and those that mean a plan.
    async fn prices(&self) -> (Vec<String>, i64) {
        sqlx::query_as(
            "select array(select unnest(array[p.stripe_price_monthly, p.stripe_price_yearly]) from public.subscription_plans p order by p.price_monthly, 1),
                    (select count(*) from billing.plan_prices)",
        )
        .fetch_one(&self.pool)
        .await
        .map(|(prices, known): (Vec<Option<String>>, i64)| (prices.into_iter().flatten().collect(), known))
        .unwrap()
    }

    fn made(&self) -> usize {
        self.stripe.posted("").len()
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn run_twice_it_is_done_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let to_do = shop.sync(true).await;
    assert_eq!(
        (shop.made(), shop.prices().await),
        (0, (vec![], 0)),
        "a dry run does nothing"
    );
    assert_eq!(
        to_do,
        [
            "product aias_plan_professional, \"Professional\"",
            "price aias_plan_professional_month: 4900 usd by the month",
            "price aias_plan_professional_year: 49000 usd by the year",
            "product aias_plan_enterprise, \"Enterprise\"",
            "price aias_plan_enterprise_month: 49900 usd by the month",
            "price aias_plan_enterprise_year: 499000 usd by the year",
        ]
    );
    shop.sync(false).await;
    assert_eq!(
        (
            shop.stripe.all("product").len(),
            shop.stripe.all("price").len()
        ),
        (2, 4)
    );
    let (sold, known) = shop.prices().await;
    assert_eq!((sold.len(), known), (4, 4));

    let made = shop.made();
    assert_eq!(shop.sync(false).await, Vec::<String>::new());
    assert_eq!((shop.made(), shop.prices().await), (made, (sold, known)));
}

#[sqlx::test(migrations = "../migrations")]
async fn another_amount_is_another_price_and_the_old_one_stays_known(pool: PgPool) {
    let shop = Shop::open(pool).await;
    shop.sync(false).await;
    let (before, _) = shop.prices().await;
    sqlx::query("update public.subscription_plans set price_monthly = 5900, name = 'Pro' where key = 'professional'")
        .execute(&shop.pool)
        .await
        .unwrap();
    let done = shop.sync(false).await;
    assert_eq!(done.len(), 3, "{done:?}");
    assert_eq!(
        done[1],
        "price aias_plan_professional_month takes over: 5900 usd by the month"
    );
    let (sold, known) = shop.prices().await;
    assert_eq!(known, 5);
    let changed: Vec<&String> = sold
        .iter()
        .filter(|price| !before.contains(price))
        .collect();
    assert_eq!(changed.len(), 1);
    let new = shop.stripe.object(changed[0]);
    assert_eq!(
        (&new["unit_amount"], &new["lookup_key"]),
        (&5900.into(), &"aias_plan_professional_month".into())
    );
    assert_eq!(shop.stripe.object("aias_plan_professional")["name"], "Pro");
    assert_eq!(shop.sync(false).await, Vec::<String>::new());
}

/// Broken off after a price was made and before the plan knows it.
#[sqlx::test(migrations = "../migrations")]
async fn what_was_begun_is_found_again(pool: PgPool) {
    let shop = Shop::open(pool).await;
    shop.sync(false).await;
    let (sold, _) = shop.prices().await;
    sqlx::query("update public.subscription_plans set stripe_price_monthly = null, stripe_price_yearly = null")
        .execute(&shop.pool)
        .await
        .unwrap();
    shop.stripe.fail(Fault {
        path: "products",
        status: 429,
        code: "rate_limit",
        headers: vec![("retry-after", "0".to_owned())],
    });
    let done = shop.sync(false).await;
    assert!(
        done.iter().all(|step| step.starts_with("the plan ")),
        "{done:?}"
    );
    assert_eq!(shop.prices().await.0, sold);
    assert_eq!(shop.stripe.all("price").len(), 4);
}

#[test]
fn a_key_says_which_mode_it_is_of_and_is_not_repeated() {
    let with = |key: &'static str| {
        Stripe::read(move |name| (name == "STRIPE_API_KEY").then(|| key.to_owned()))
    };
    assert_eq!(with("sk_live_x").unwrap().mode(), "live");
    assert_eq!(with("rk_test_x").unwrap().mode(), "test");
    let error = with("pk_live_hush").err().unwrap().to_string();
    assert!(!error.contains("hush"), "{error}");
    assert!(Stripe::read(|_| None).is_err());
}
