//! `cargo xtask stripe-sync-plans`: a product for each plan that is sold, and its prices.
//!
//! What is there is found again by names of ours: the product's id and the prices' lookup keys come from the plan's key. So it can be run as often as
//! one likes, by two at once, and again after it was broken off. A price in Stripe cannot be changed in its amount
//! (<https://docs.stripe.com/products-prices/manage-prices#edit-price>): a new one takes the lookup key over, and who pays the old one goes on
//! paying it for the same plan, which `billing.plan_prices` remembers.

mod api;
mod plan;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};

pub use self::api::Stripe;
use self::plan::{Interval, Plan};
use crate::cli::SyncPlansArgs;
use crate::database::connect;
use crate::db;
use crate::progress::{Lines, Progress};

pub async fn run(args: &SyncPlansArgs) -> Result<()> {
    let progress = Progress::new(Lines::Stdout);
    let stripe = Stripe::read(|name| std::env::var(name).ok())?;
    let mut connection = connect(&db::url(&args.target)?).await?;
    progress.line(format!("Stripe, {} mode", stripe.mode()));
    let steps = sync(&mut connection, &stripe, args.dry_run).await?;
    connection.close().await?;
    for step in &steps {
        progress.line(format!("  {} {step}", if args.dry_run { "·" } else { "✓" }));
    }
    progress.line(match (steps.len(), args.dry_run) {
        (0, _) => "All is as the plans are.".to_owned(),
        (count, true) => format!("{count} to be done; nothing was."),
        (count, false) => format!("{count} done."),
    });
    Ok(())
}

/// What was done, or with `dry_run` what would be.
pub async fn sync(
    connection: &mut PgConnection,
    stripe: &Stripe,
    dry_run: bool,
) -> Result<Vec<String>> {
    let mut steps = Vec::new();
    for plan in Plan::all(connection).await? {
        if !plan.is_sold() {
            continue;
        }
        let key = plan.key.clone();
        sync_plan(connection, stripe, dry_run, &plan, &mut steps)
            .await
            .with_context(|| format!("the plan {key}"))?;
    }
    Ok(steps)
}

async fn sync_plan(
    connection: &mut PgConnection,
    stripe: &Stripe,
    dry_run: bool,
    plan: &Plan,
    steps: &mut Vec<String>,
) -> Result<()> {
    let product = plan.product()?;
    match stripe.find_product(&product).await? {
        None => {
            steps.push(format!("product {product}, \"{}\"", plan.name));
            if !dry_run {
                stripe.create_product(&product, plan).await?;
            }
        }
        Some(known) if known["name"] != plan.name.as_str() || known["active"] != true => {
            steps.push(format!("product {product} is called \"{}\"", plan.name));
            if !dry_run {
                stripe.update_product(&product, plan).await?;
            }
        }
        Some(_) => {}
    }
    for interval in [Interval::Month, Interval::Year] {
        let Some(amount) = plan.amount(interval) else {
            continue;
        };
        let lookup_key = plan.lookup_key(interval);
        let known = stripe.find_price(&lookup_key).await?;
        let is_right = known.as_ref().is_some_and(|price| {
            price["unit_amount"] == amount
                && price["currency"] == plan.currency.to_lowercase()
                && price["product"] == product.as_str()
                && price["recurring"]["interval"] == interval.name()
                && price["recurring"]["interval_count"] == 1
        });
        let known = known.and_then(|price| price["id"].as_str().map(str::to_owned));
        let price = match known {
            Some(price) if is_right => Some(price),
            before => {
                let verb = if before.is_some() { " takes over" } else { "" };
                steps.push(format!(
                    "price {lookup_key}{verb}: {amount} {} by the {}",
                    plan.currency,
                    interval.name()
                ));
                match dry_run {
                    true => None,
                    false => Some(
                        stripe
                            .create_price(plan, &product, interval, amount, before.as_deref())
                            .await?,
                    ),
                }
            }
        };
        if let Some(price) = price.filter(|price| plan.price(interval) != Some(price)) {
            steps.push(format!(
                "the plan {} is sold by the {} at {price}",
                plan.key,
                interval.name()
            ));
            if !dry_run {
                plan.note_price(connection, interval, &price).await?;
            }
        }
    }
    Ok(())
}
