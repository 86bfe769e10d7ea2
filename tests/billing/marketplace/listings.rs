//! From a draft to the catalogue, and who may take which step.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;
use sqlx::{PgConnection, PgPool};
use tests::seed::{ALPHA, ALPHA_AGENT, BETA};
use uuid::Uuid;

use super::shop::{accept, become_state, begin, change_state, publish};
use crate::stage::set;

/// The edges between states in the state diagram of `migrations/README.md`, as `a --> b`.
fn drawn() -> BTreeSet<String> {
    let path = tests::repository().join("migrations/README.md");
    let text = fs::read_to_string(path).expect("migrations/README.md");
    let diagram = text
        .split("```mermaid")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .find(|block| block.contains("stateDiagram") && block.contains("withdrawn"))
        .expect("a state diagram of listings");
    let edges = diagram
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("-->") && !line.contains("[*]"));
    edges
        .map(|line| line.split(':').next().unwrap_or_default().trim().to_owned())
        .collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn the_states_are_those_that_are_drawn(pool: PgPool) {
    let source: String = sqlx::query_scalar(
        "select prosrc from pg_catalog.pg_proc where oid = 'private.listing_may_become'::regproc",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let code = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .collect::<Vec<_>>()
        .join("\n");
    let written: BTreeSet<String> = code
        .split('\'')
        .skip(1)
        .step_by(2)
        .filter(|text| text.trim() != "-->")
        .map(str::to_owned)
        .collect();
    assert_eq!(written, drawn());
    let check: String = sqlx::query_scalar(
        "select pg_get_constraintdef(oid) from pg_catalog.pg_constraint where conname = 'listing_state_is_known'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let states: BTreeSet<&str> = check.split('\'').skip(1).step_by(2).collect();
    let ends: BTreeSet<String> = written
        .iter()
        .flat_map(|edge| edge.split(" --> ").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(states, ends.iter().map(String::as_str).collect());
}

async fn draft(session: &mut PgConnection, slug: &str, version: i32) -> Uuid {
    sqlx::query_scalar(
        "insert into public.listings (tenant_id, agent_id, agent_version, slug, title, category, price_kind, amount, currency)
         values ($1, $2, $3, $4, 'A writer', 'writing', 'one_time', 1999, 'usd') returning id",
    )
    .bind(ALPHA)
    .bind(ALPHA_AGENT)
    .bind(version)
    .bind(slug)
    .fetch_one(session)
    .await
    .unwrap()
}

async fn review(
    session: &mut PgConnection,
    listing: Uuid,
    state: &str,
    note: Option<&str>,
) -> Result<(), String> {
    let done = sqlx::query("select billing.review_listing($1, $2, $3)")
        .bind(listing)
        .bind(state)
        .bind(note)
        .execute(session)
        .await;
    done.map(drop).map_err(|error| error.to_string())
}

async fn catalogue(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select slug || ' by ' || seller_name from public.catalogue order by 1")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_listing_is_sold_after_its_review_and_runs_until_it_is_suspended(pool: PgPool) {
    set(&pool).await;
    let mut session = pool.acquire().await.unwrap();
    let listing = draft(&mut session, "writer", 1).await;

    assert!(change_state(&pool, listing, "published").await.is_err());
    assert!(
        review(&mut session, listing, "approved", None)
            .await
            .is_err()
    );
    change_state(&pool, listing, "submitted").await.unwrap();
    assert!(
        change_state(&pool, listing, "approved").await.is_err(),
        "a seller is no reviewer"
    );
    let changed = sqlx::query("update public.listings set amount = 1 where id = $1")
        .bind(listing)
        .execute(&mut *session)
        .await;
    assert!(changed.is_err(), "what is reviewed stays as it is");
    assert!(
        review(&mut session, listing, "rejected", None)
            .await
            .is_err(),
        "without a reason"
    );
    review(&mut session, listing, "approved", None)
        .await
        .unwrap();
    assert_eq!(catalogue(&pool).await, Vec::<String>::new());
    change_state(&pool, listing, "published").await.unwrap();
    assert_eq!(catalogue(&pool).await, ["writer by Alpha"]);
    assert_eq!(
        begin(&mut session, ALPHA, listing).await.unwrap_err(),
        "not_found",
        "of whom the caller is no member"
    );
    let (purchase, mode) = begin(&mut session, BETA, listing).await.unwrap();
    assert_eq!(mode, "payment");
    assert_eq!(
        begin(&mut session, BETA, listing).await.unwrap().0,
        purchase,
        "a Checkout that nobody has finished is begun again"
    );
    sqlx::query("update public.purchases set state = 'active' where id = $1")
        .bind(purchase)
        .execute(&mut *session)
        .await
        .unwrap();
    assert_eq!(
        begin(&mut session, BETA, listing).await.unwrap_err(),
        "already_purchased"
    );

    let refusal = |pool: PgPool| async move {
        let refusal: Option<String> =
            sqlx::query_scalar("select refusal from queue.listed_agent($1, 'writer')")
                .bind(BETA)
                .fetch_one(&pool)
                .await
                .unwrap();
        refusal
    };
    change_state(&pool, listing, "withdrawn").await.unwrap();
    assert_eq!(refusal(pool.clone()).await, None, "whoever has bought it");
    assert_eq!(catalogue(&pool).await, Vec::<String>::new());
    change_state(&pool, listing, "draft").await.unwrap();
    review(&mut session, listing, "suspended", Some("it is rude"))
        .await
        .unwrap();
    assert_eq!(
        refusal(pool.clone()).await.as_deref(),
        Some("listing_suspended")
    );
    assert!(
        change_state(&pool, listing, "draft").await.is_err(),
        "the seller lifts nothing"
    );
    review(&mut session, listing, "draft", None).await.unwrap();
    assert_eq!(refusal(pool.clone()).await, None);

    // A newer version runs once it is published, and not while it is reviewed.
    sqlx::query("update public.ai_agents set config = '{\"system_prompt\": \"Newer.\"}' where tenant_id = $1 and id = $2")
        .bind(ALPHA)
        .bind(ALPHA_AGENT)
        .execute(&mut *session)
        .await
        .unwrap();
    sqlx::query("update public.listings set agent_version = 2 where id = $1")
        .bind(listing)
        .execute(&mut *session)
        .await
        .unwrap();
    let prompt = |pool: PgPool| async move {
        let prompt: Option<String> = sqlx::query_scalar(
            "select config ->> 'system_prompt' from queue.listed_agent($1, 'writer')",
        )
        .bind(BETA)
        .fetch_one(&pool)
        .await
        .unwrap();
        prompt
    };
    assert_ne!(prompt(pool.clone()).await.as_deref(), Some("Newer."));
    for state in ["submitted", "approved", "published"] {
        become_state(&mut session, listing, state).await;
    }
    assert_eq!(prompt(pool.clone()).await.as_deref(), Some("Newer."));
}

#[sqlx::test(migrations = "../migrations")]
async fn what_acts_with_the_sellers_own_is_not_sold(pool: PgPool) {
    set(&pool).await;
    let mut session = pool.acquire().await.unwrap();
    let tools = [
        json!({"tools": [{"type": "search_documents"}]}),
        json!({"tools": [{"type": "http", "name": "x", "allow": ["https://example.com/"]}]}),
        json!({"mcp_servers": [{"name": "x", "url": "https://example.com/mcp"}]}),
        json!({"system_prompt": "{{ secrets.token }}"}),
    ];
    for (config, version) in tools.iter().zip(2..) {
        sqlx::query("update public.ai_agents set config = $1 where tenant_id = $2 and id = $3")
            .bind(config)
            .bind(ALPHA)
            .bind(ALPHA_AGENT)
            .execute(&mut *session)
            .await
            .unwrap();
        let listing = draft(&mut session, &format!("writer-{version}"), version).await;
        let refused = change_state(&pool, listing, "submitted").await.unwrap_err();
        assert!(refused.contains("agent_cannot_be_sold"), "{refused}");
    }
    let declared = json!({"tools": [{"type": "function", "function": {"name": "look"}}]});
    sqlx::query("update public.ai_agents set config = $1 where tenant_id = $2 and id = $3")
        .bind(declared)
        .bind(ALPHA)
        .bind(ALPHA_AGENT)
        .execute(&mut *session)
        .await
        .unwrap();
    let listing = draft(&mut session, "declares", 6).await;
    change_state(&pool, listing, "submitted").await.unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn the_price_of_a_use_is_accepted_as_it_was_seen(pool: PgPool) {
    set(&pool).await;
    let mut session = pool.acquire().await.unwrap();
    let listing = publish(&mut session, "by-use", ("per_use", 7, "usd", None)).await;
    assert_eq!(
        begin(&mut session, BETA, listing).await.unwrap(),
        (None, "none".to_owned())
    );
    let refusal = "select refusal from queue.listed_agent($1, 'by-use')";
    let before: Option<String> = sqlx::query_scalar(refusal)
        .bind(BETA)
        .fetch_one(&mut *session)
        .await
        .unwrap();
    assert_eq!(before.as_deref(), Some("listing_not_purchased"));
    accept(&mut session, BETA, listing).await.unwrap();
    let after: Option<String> = sqlx::query_scalar(refusal)
        .bind(BETA)
        .fetch_one(&mut *session)
        .await
        .unwrap();
    assert_eq!(after, None);
    assert_eq!(
        accept(&mut session, BETA, listing).await.unwrap_err(),
        "already_purchased"
    );
}
