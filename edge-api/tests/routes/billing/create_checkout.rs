use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_ADMIN, ALPHA_OWNER, ALPHA_VIEWER, BETA_OWNER};

use crate::support::TestApp;
use crate::support::billing::{BACK, Shop, return_urls, sell, tell, wanted};

async fn set_plan(shop: &Shop, change: &str) {
    let statement =
        format!("update public.subscription_plans set {change} where key = 'professional'");
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .execute(&shop.app.pool)
        .await
        .unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn a_page_on_which_the_plan_is_paid(pool: PgPool) {
    let shop = Shop::open(pool).await;
    set_plan(&shop, "trial_days = 14").await;
    let body = json!({"plan": "professional", "interval": "year", "allow_promotion_codes": true,
        "success_url": "https://app.test/done?session={CHECKOUT_SESSION_ID}", "cancel_url": BACK});
    let answer = shop.checkout(body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session = shop.stripe.object(&shop.last_session());
    assert_eq!(answer.json(), json!({"url": session["url"]}));
    assert_eq!(session["mode"], "subscription");
    assert_eq!(session["client_reference_id"], json!(ALPHA));
    assert_eq!(
        session["success_url"],
        "https://app.test/done?session={CHECKOUT_SESSION_ID}"
    );
    assert_eq!(session["allow_promotion_codes"], true);
    assert_eq!(
        session["_begins"],
        json!({"price": "price_professional_yearly", "quantity": 1, "trial_days": 14, "metadata": {"tenant_id": ALPHA}})
    );
    let customers = shop.stripe.all("customer");
    assert_eq!(customers.len(), 1);
    assert_eq!(customers[0]["metadata"], json!({"tenant_id": ALPHA}));
    assert_eq!(customers[0]["name"], "Alpha");
    let linked: Vec<(String, String)> =
        sqlx::query_as("select id, known_by from billing.customers where tenant_id = $1")
            .bind(ALPHA)
            .fetch_all(&shop.app.pool)
            .await
            .unwrap();
    assert_eq!(
        linked,
        [(
            customers[0]["id"].as_str().unwrap().to_owned(),
            "checkout".to_owned()
        )]
    );
    for asked in shop.stripe.asked() {
        assert_eq!(asked.version.as_deref(), Some("2025-03-31.basil"));
        assert_eq!(asked.method == "POST", asked.key.is_some(), "{asked:?}");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn the_same_again_is_the_same_page_and_another_wish_closes_it(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let first = shop.checkout(wanted("professional")).await;
    let again = shop.checkout(wanted("professional")).await;
    assert_eq!(first.json(), again.json());
    let before = shop.last_session();
    let other = shop.checkout(wanted("enterprise")).await;
    assert_eq!(other.status, 200, "{other:?}");
    assert_ne!(first.json(), other.json());
    assert_eq!(shop.stripe.object(&before)["status"], "expired");
    // Back to the first wish: its page is closed, and there is a new one.
    let back = shop.checkout(wanted("professional")).await;
    assert_eq!(back.status, 200, "{back:?}");
    let open: Vec<Value> = shop
        .stripe
        .all("checkout.session")
        .into_iter()
        .filter(|session| session["status"] == "open")
        .collect();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["url"], back.json()["url"]);
    // A page that nobody has paid for a day is over.
    let last = shop.last_session();
    shop.stripe.account().objects.get_mut(&last).unwrap()["status"] = json!("expired");
    let new = shop.checkout(wanted("professional")).await;
    assert_eq!(new.status, 200, "{new:?}");
    assert_ne!(new.json(), back.json());
    assert_eq!(
        (shop.count("checkout.session"), shop.count("customer")),
        (4, 1)
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn many_clicks_at_once_make_one_customer_and_one_page(pool: PgPool) {
    let shop = Shop::open(pool).await;
    shop.stripe.account().takes = Duration::from_millis(100);
    let clicks = join_all((0..20).map(|_| shop.checkout(wanted("professional")))).await;
    let pages: BTreeSet<String> = clicks
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.text().to_owned()
        })
        .collect();
    assert_eq!(pages.len(), 1, "{pages:?}");
    assert_eq!(
        (shop.count("customer"), shop.count("checkout.session")),
        (1, 1)
    );
    assert!(
        shop.stripe.posted("customers").len() > 2,
        "they did not come at once"
    );
}

/// Different wishes at once: whoever is told a page has the one that can be paid.
#[sqlx::test(migrations = "../migrations")]
async fn of_two_wishes_at_once_one_page_is_open(pool: PgPool) {
    let shop = Shop::open(pool).await;
    shop.stripe.account().takes = Duration::from_millis(50);
    let clicks = join_all(
        (0..10).map(|number| shop.checkout(wanted(["professional", "enterprise"][number % 2]))),
    )
    .await;
    for answer in &clicks {
        assert!(
            answer.status == 200 || answer.code() == "checkout_replaced",
            "{answer:?}"
        );
    }
    let open = shop
        .stripe
        .all("checkout.session")
        .iter()
        .filter(|session| session["status"] == "open")
        .count();
    assert!(open <= 1, "{open} can be paid");
    let last = shop.checkout(wanted("professional")).await;
    assert_eq!(last.status, 200, "{last:?}");
    let open: Vec<Value> = shop
        .stripe
        .all("checkout.session")
        .into_iter()
        .filter(|session| session["status"] == "open")
        .collect();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(shop.count("customer"), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn only_those_who_manage_billing(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for (person, refusal) in [
        (ALPHA_VIEWER, (403, "forbidden")),
        (ALPHA_ADMIN, (403, "forbidden")),
        (BETA_OWNER, (404, "not_found")),
    ] {
        for (what, body) in [
            ("checkout", wanted("professional")),
            ("portal", json!({"return_url": BACK})),
            ("subscription", json!({"action": "cancel"})),
        ] {
            let answer = shop.ask(what, person, &body).await;
            assert_eq!(
                (answer.status.as_u16(), &*answer.code()),
                refusal,
                "{what} {answer:?}"
            );
        }
    }
    assert!(shop.stripe.asked().is_empty());
}

#[sqlx::test(migrations = "../migrations")]
async fn nobody_is_led_where_the_operator_does_not_say(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for bad in [
        "https://evil.test/",
        "https://app.test@evil.test/",
        "https://app.test.evil.test/",
        "//app.test/",
        "javascript:alert(1)",
        "http://app.test/",
    ] {
        for field in ["success_url", "cancel_url"] {
            let mut body = wanted("professional");
            body[field] = json!(bad);
            let answer = shop.checkout(body).await;
            assert_eq!(
                (answer.status.as_u16(), &*answer.code()),
                (400, "return_url_not_allowed"),
                "{bad}"
            );
            assert_eq!(answer.json()["details"], field);
        }
        let portal = shop
            .ask("portal", ALPHA_OWNER, &json!({"return_url": bad}))
            .await;
        assert!(matches!(portal.status.as_u16(), 400 | 409), "{portal:?}");
    }
    assert!(shop.stripe.asked().is_empty());
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_not_sold(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for (body, refusal) in [
        (wanted("gold"), (404, "no_such_plan")),
        (wanted("starter"), (409, "plan_not_for_sale")),
        (
            json!({"plan": "enterprise", "interval": "year", "success_url": BACK, "cancel_url": BACK}),
            (409, "plan_not_for_sale"),
        ),
        (
            json!({"plan": "enterprise", "interval": "week", "success_url": BACK, "cancel_url": BACK}),
            (400, "invalid_body"),
        ),
        (
            json!({"plan": "enterprise", "price": "price_cheap", "success_url": BACK, "cancel_url": BACK}),
            (400, "invalid_body"),
        ),
    ] {
        let answer = shop.checkout(body).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            refusal,
            "{answer:?}"
        );
    }
    assert!(
        shop.stripe.asked().is_empty(),
        "nobody becomes a customer by that"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn one_subscription_at_a_time_also_when_stripe_tells_late(pool: PgPool) {
    let shop = Shop::open(pool).await;
    assert_eq!(shop.checkout(wanted("professional")).await.status, 200);
    let subscription = shop.stripe.pay(&shop.last_session());
    // Nothing was told yet.
    for plan in ["professional", "enterprise"] {
        let answer = shop.checkout(wanted(plan)).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (409, "checkout_paid"),
            "{answer:?}"
        );
    }
    shop.tell(&subscription).await;
    let answer = shop.checkout(wanted("professional")).await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    409 Conflict
    {
      "code": "already_subscribed",
      "details": null,
      "hint": "change its plan: POST /v1/billing/subscription; or pay what is open: POST /v1/billing/portal",
      "message": "this tenant has a subscription already"
    }
    "#);
    assert_eq!(shop.count("checkout.session"), 1);
    // It has ended, and one can begin anew.
    let mut ended = subscription;
    ended["status"] = json!("canceled");
    let id = ended["id"].as_str().unwrap().to_owned();
    shop.stripe.account().objects.insert(id, ended.clone());
    shop.tell(&ended).await;
    let again = shop.checkout(wanted("professional")).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(
        (shop.count("checkout.session"), shop.count("customer")),
        (2, 1)
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tenant_has_one_trial(pool: PgPool) {
    let shop = Shop::open(pool).await;
    set_plan(&shop, "trial_days = 7").await;
    let mut subscription = shop.subscribed("professional").await;
    assert_eq!(subscription["status"], "trialing");
    subscription["status"] = json!("canceled");
    let id = subscription["id"].as_str().unwrap().to_owned();
    shop.stripe
        .account()
        .objects
        .insert(id, subscription.clone());
    shop.tell(&subscription).await;
    assert_eq!(shop.checkout(wanted("professional")).await.status, 200);
    let session = shop.stripe.object(&shop.last_session());
    assert_eq!(session["_begins"]["trial_days"], Value::Null);
}

#[sqlx::test(migrations = "../migrations")]
async fn seats_are_no_fewer_than_members(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let with = |seats: u32| {
        let mut body = wanted("professional");
        body["seats"] = json!(seats);
        shop.checkout(body)
    };
    assert_eq!(with(2).await.code(), "plan_has_no_seats");
    set_plan(&shop, "is_per_seat = true").await;
    let members: i64 =
        sqlx::query_scalar("select count(*) from public.memberships where tenant_id = $1")
            .bind(ALPHA)
            .fetch_one(&shop.app.pool)
            .await
            .unwrap();
    let members = u32::try_from(members).unwrap();
    let few = with(members - 1).await;
    assert_eq!(
        (few.status.as_u16(), &*few.code()),
        (409, "too_few_seats"),
        "{few:?}"
    );
    assert_eq!(with(members + 2).await.status, 200);
    assert_eq!(
        shop.stripe.object(&shop.last_session())["_begins"]["quantity"],
        members + 2
    );
    // Left out, as many as are needed.
    assert_eq!(shop.checkout(wanted("professional")).await.status, 200);
    assert_eq!(
        shop.stripe.object(&shop.last_session())["_begins"]["quantity"],
        members
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_customer_that_the_operator_has_deleted_is_made_anew(pool: PgPool) {
    let shop = Shop::open(pool).await;
    assert_eq!(shop.checkout(wanted("professional")).await.status, 200);
    let mut customer = shop.stripe.all("customer").remove(0);
    let id = customer["id"].as_str().unwrap().to_owned();
    tell(&shop.app.pool, &customer).await;
    sqlx::query("update billing.objects set is_deleted = true where id = $1")
        .bind(&id)
        .execute(&shop.app.pool)
        .await
        .unwrap();
    shop.stripe.account().objects.remove(&id);
    assert_eq!(shop.checkout(wanted("professional")).await.status, 200);
    customer = shop.stripe.all("customer").remove(0);
    assert_ne!(customer["id"], json!(id));
    assert_eq!(
        shop.stripe.object(&shop.last_session())["customer"],
        customer["id"]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn without_a_key_nothing_can_be_bought(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.return_urls = return_urls()
    })
    .await;
    sell(&app.pool, &tests::stripe::Stripe::start().await).await;
    let path = format!("/v1/billing/checkout?tenant_id={ALPHA}");
    let answer = app
        .post(&path)
        .by(ALPHA_OWNER)
        .json(&wanted("professional"))
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (503, "billing_not_configured")
    );
    // Who may not is told nothing of that.
    let viewer = app
        .post(&path)
        .by(ALPHA_VIEWER)
        .json(&wanted("professional"))
        .send()
        .await;
    assert_eq!(viewer.code(), "forbidden");
}
