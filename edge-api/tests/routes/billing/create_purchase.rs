use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER, ALPHA_VIEWER, BETA, BETA_OWNER};
use uuid::Uuid;

use crate::support::Answer;
use crate::support::billing::{BACK, Shop, publish};

async fn buy(shop: &Shop, listing: Uuid, back: &str) -> Answer {
    let body = json!({"listing_id": listing, "success_url": back, "cancel_url": back});
    shop.ask("purchases", ALPHA_OWNER, &body).await
}

async fn states(shop: &Shop) -> Vec<String> {
    sqlx::query_scalar(
        "select state from public.purchases where tenant_id = $1 order by created_at",
    )
    .bind(ALPHA)
    .fetch_all(&shop.app.pool)
    .await
    .unwrap()
}

fn open(shop: &Shop) -> Vec<Value> {
    let mut sessions = shop.stripe.all("checkout.session");
    sessions.retain(|session| session["status"] == "open");
    sessions
}

#[sqlx::test(migrations = "../migrations")]
async fn a_page_on_which_a_listing_is_paid_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let listing = publish(&shop.app.pool, BETA, "greeter", ("one_time", None)).await;
    let answer = buy(&shop, listing, BACK).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut session = shop.stripe.object(&shop.last_session());
    let purchase = answer.json()["purchase_id"].clone();
    let metadata = json!({"tenant_id": ALPHA, "listing_id": listing, "purchase_id": purchase});
    assert_eq!(
        answer.json(),
        json!({"purchase_id": purchase, "url": session["url"]})
    );
    assert_eq!(
        (
            &session["mode"],
            &session["amount_total"],
            &session["currency"]
        ),
        (&json!("payment"), &json!(1999), &json!("usd"))
    );
    assert_eq!(
        (&session["metadata"], &session["_begins"]["metadata"]),
        (&metadata, &metadata)
    );
    let asked = shop.stripe.posted("checkout/sessions");
    assert_eq!(
        asked[0].parameter("line_items[0][price_data][product_data][name]"),
        Some("Greeter & Co")
    );

    // Again, and from elsewhere: the same page. One that nobody has paid for a day is over, and there is another.
    assert_eq!(buy(&shop, listing, BACK).await.json(), answer.json());
    let elsewhere = buy(&shop, listing, "https://app.test/market").await;
    assert_eq!(elsewhere.json(), answer.json());
    let last = shop.last_session();
    shop.stripe.account().objects.get_mut(&last).unwrap()["status"] = json!("expired");
    let next = buy(&shop, listing, BACK).await;
    assert_eq!(next.json()["purchase_id"], purchase);
    assert_ne!(next.json()["url"], answer.json()["url"]);
    assert_eq!(states(&shop).await, ["pending"]);

    // Paid: at first only Stripe knows.
    let last = shop.last_session();
    session = shop.stripe.object(&last);
    for (name, value) in [
        ("status", json!("complete")),
        ("payment_status", json!("paid")),
        ("payment_intent", json!("pi_1")),
        ("url", json!(null)),
    ] {
        session[name] = value;
    }
    shop.stripe.account().objects.insert(last, session.clone());
    let answer = buy(&shop, listing, BACK).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (409, "checkout_paid")
    );
    shop.tell(&session).await;
    assert_eq!(states(&shop).await, ["active"]);
    let answer = buy(&shop, listing, BACK).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (409, "already_purchased")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_payment_that_fails_days_later_makes_room_for_another_page(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let listing = publish(&shop.app.pool, BETA, "greeter", ("one_time", None)).await;
    let first = buy(&shop, listing, BACK).await;
    let session = shop.last_session();
    {
        let mut account = shop.stripe.account();
        let complete = account.objects.get_mut(&session).unwrap();
        complete["status"] = json!("complete");
        complete["payment_intent"] = json!("pi_1");
        complete["url"] = json!(null);
    }
    for (status, is_over) in [
        ("processing", false),
        ("requires_action", false),
        ("requires_payment_method", true),
    ] {
        let intent = json!({"id": "pi_1", "object": "payment_intent", "status": status});
        shop.stripe
            .account()
            .objects
            .insert("pi_1".to_owned(), intent);
        let answer = buy(&shop, listing, BACK).await;
        match is_over {
            false => assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (409, "checkout_paid"),
                "{status}"
            ),
            true => {
                assert_eq!(answer.status, 200, "{answer:?}");
                assert_ne!(answer.json()["url"], first.json()["url"]);
                assert_eq!(answer.json()["purchase_id"], first.json()["purchase_id"]);
            }
        }
    }
    assert_eq!(open(&shop).len(), 1);
    assert_eq!(states(&shop).await, ["pending"]);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_subscription_says_how_often_it_is_paid(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let listing = publish(
        &shop.app.pool,
        BETA,
        "greeter",
        ("subscription", Some("month")),
    )
    .await;
    assert_eq!(buy(&shop, listing, BACK).await.status, 200);
    let asked = shop.stripe.posted("checkout/sessions");
    assert_eq!(
        (
            asked[0].parameter("mode"),
            asked[0].parameter("line_items[0][price_data][recurring][interval]"),
            asked[0].parameter("subscription_data[metadata][listing_id]"),
        ),
        (
            Some("subscription"),
            Some("month"),
            Some(listing.to_string().as_str())
        )
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn many_clicks_from_two_places_leave_one_page(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let listing = publish(&shop.app.pool, BETA, "greeter", ("one_time", None)).await;
    shop.stripe.account().takes = Duration::from_millis(50);
    let places = [BACK, "https://app.test/market"];
    let clicks = join_all((0..12).map(|n| buy(&shop, listing, places[n % 2]))).await;
    let pages: BTreeSet<String> = clicks
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.text().to_owned()
        })
        .collect();
    assert_eq!(pages.len(), 1, "{pages:?}");
    let open = open(&shop);
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(
        pages
            .first()
            .unwrap()
            .contains(open[0]["url"].as_str().unwrap())
    );
    assert_eq!(shop.count("customer"), 1);
    assert_eq!(states(&shop).await, ["pending"]);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_cannot_be_bought_here_is_refused_and_nothing_begins(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let by_use = publish(&shop.app.pool, BETA, "by-use", ("per_use", None)).await;
    let own = publish(&shop.app.pool, ALPHA, "own", ("one_time", None)).await;
    let sold = publish(&shop.app.pool, BETA, "sold", ("one_time", None)).await;
    for (listing, back, person, status, code) in [
        (by_use, BACK, ALPHA_OWNER, 409, "listing_is_paid_by_use"),
        (own, BACK, ALPHA_OWNER, 409, "listing_is_your_own"),
        (Uuid::max(), BACK, ALPHA_OWNER, 404, "listing_not_found"),
        (
            sold,
            "https://evil.test/",
            ALPHA_OWNER,
            400,
            "return_url_not_allowed",
        ),
        (sold, BACK, ALPHA_VIEWER, 403, "forbidden"),
        (sold, BACK, BETA_OWNER, 404, "not_found"),
    ] {
        let body = json!({"listing_id": listing, "success_url": back, "cancel_url": back});
        let answer = shop.ask("purchases", person, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code)
        );
    }
    assert_eq!(states(&shop).await, Vec::<String>::new());
    assert_eq!(shop.stripe.asked().len(), 0);
}
