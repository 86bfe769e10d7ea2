//! Making the world, and taking it out again.

use anyhow::{Context, Result, bail, ensure};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool, Row};

use super::LANES;
use crate::secrets::STEM;

/// Number, status, and whether it asks for a second factor.
type Sort = (i32, &'static str, bool);

const OWN: [Sort; LANES] = [
    (1, "active", false),
    (2, "active", false),
    (3, "active", false),
    (4, "active", false),
    (5, "active", false),
    (6, "active", false),
    (7, "suspended", false),
    (8, "active", true),
];
/// A refusal may name a reason: these are the reasons that a foreign tenant could be told by.
const FOREIGN: [Sort; 4] = [
    (101, "active", false),
    (102, "suspended", false),
    (103, "active", true),
    (104, "cancelled", false),
];

/// Makes all of it. Ends what an earlier run left.
pub async fn make(database_url: &str) -> Result<PgPool> {
    let database = PgPoolOptions::new()
        .max_connections(LANES as u32 + 1)
        .connect(database_url)
        .await
        .context("connecting to the database behind the doors")?;
    sweep(&database).await?;
    for script in [
        include_str!("keep.sql"),
        include_str!("fill.sql"),
        include_str!("rows.sql"),
        include_str!("mark.sql"),
    ] {
        run(&database, script).await.context("making the world")?;
    }
    for (is_foreign, (number, status, second_factor)) in [(true, &FOREIGN[..]), (false, &OWN[..])]
        .into_iter()
        .flat_map(|(is_foreign, sorts)| sorts.iter().map(move |sort| (is_foreign, *sort)))
    {
        sqlx::query("select fuzz.make_tenant($1, $2, $3, $4)")
            .bind(number)
            .bind(is_foreign)
            .bind(status)
            .bind(second_factor)
            .execute(&database)
            .await
            .with_context(|| format!("making tenant {number}"))?;
    }
    for (number, ..) in OWN {
        sqlx::query("select fuzz.make_guest($1, $2)")
            .bind(number)
            .bind(FOREIGN[0].0)
            .execute(&database)
            .await?;
    }
    fill(&database).await?;
    run(&database, "select fuzz.make_repeatable()").await?;
    let marked: i64 = sqlx::query_scalar(
        "select fuzz.mark(array(select t.id from fuzz.tenants t where t.is_foreign), $1)",
    )
    .bind(STEM)
    .fetch_one(&database)
    .await
    .context("marking the foreign tenants' texts")?;
    ensure!(marked > 0, "no text of the foreign tenants could be marked");
    run(&database, "select fuzz.keep(); analyze").await?;
    Ok(database)
}

/// Takes all of it out again.
pub async fn sweep(database: &PgPool) -> Result<()> {
    run(database, include_str!("sweep.sql"))
        .await
        .context("sweeping away what an earlier run left")
}

/// Every table has to have something to lose. What the world has no rows for is filled with the least that its constraints take.
async fn fill(database: &PgPool) -> Result<()> {
    let rows = sqlx::query(
        "select f.place, f.reason from fuzz.tenants t cross join fuzz.fill(t.id) f order by t.id, f.place",
    )
    .fetch_all(database)
    .await?;
    if let Some(row) = rows.first() {
        bail!(
            "the foreign tenants have nothing in {}, and a row could not be made up ({}): give it one in tests/fuzz/src/world/rows.sql",
            row.try_get::<String, _>(0)?,
            row.try_get::<String, _>(1)?
        );
    }
    Ok(())
}

async fn run(database: &PgPool, script: &'static str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(database)
        .await?;
    Ok(())
}
