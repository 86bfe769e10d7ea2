//! The world that is fuzzed: our own tenants, one for each lane, and the foreign ones that must never show.

mod make;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, PgPool, Row};
use uuid::Uuid;

use crate::people::{self, Person};
use crate::pools::Side;
use crate::secrets::Secrets;

/// Requests of different lanes are in flight at once; those of one lane come one after the other.
pub const LANES: usize = 8;

pub struct World {
    pub database: PgPool,
    pub secrets: Secrets,
    pub lanes: Vec<Lane>,
    pub owners: HashMap<Uuid, Side>,
    /// When it was made, as Postgres writes it: what is later was made by a request.
    pub made_at: String,
    foreign: Vec<Uuid>,
    prints: Prints,
}

pub struct Lane {
    pub tenant: Uuid,
    pub people: Vec<Person>,
}

/// What the foreign tenants' rows come to, table by table.
type Prints = Vec<(String, String)>;

impl World {
    async fn load(database: PgPool, jwt_secret: &str) -> Result<Self> {
        let rows = sqlx::query(
            "select t.id, t.number, t.is_foreign from fuzz.tenants t order by t.number",
        )
        .fetch_all(&database)
        .await?;
        let mut owners = HashMap::new();
        let (mut lanes, mut foreign) = (Vec::new(), Vec::new());
        for row in rows {
            let (id, number, is_foreign): (Uuid, i32, bool) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if is_foreign {
                owners.insert(id, Side::Foreign);
                foreign.push(id);
            } else {
                owners.insert(id, Side::Lane(lanes.len()));
                let people = people::of_tenant(&database, id, number, jwt_secret).await?;
                lanes.push(Lane { tenant: id, people });
            }
        }
        for row in sqlx::query("select x.id, x.tenant_id from fuzz.people x")
            .fetch_all(&database)
            .await?
        {
            let (person, tenant): (Uuid, Uuid) = (row.try_get(0)?, row.try_get(1)?);
            let side = owners.get(&tenant).copied();
            owners.extend(side.map(|side| (person, side)));
        }
        let secrets = Secrets::new(
            &kept_rows(&database, true).await?,
            &kept_rows(&database, false).await?,
        );
        let made_at = sqlx::query_scalar(
            "select to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS')",
        )
        .fetch_one(&database)
        .await?;
        let mut world = Self {
            database,
            secrets,
            lanes,
            owners,
            made_at,
            foreign,
            prints: Vec::new(),
        };
        world.rest().await?;
        world.prints = world.prints_now().await?;
        Ok(world)
    }

    /// Waits until nothing is spent of the foreign tenants' limits in time: a self-test that has just ended may have.
    async fn rest(&self) -> Result<()> {
        loop {
            let is_rested: bool =
                sqlx::query_scalar("select bool_and(l.remaining = l.most) from fuzz.limits($1) l")
                    .bind(&self.foreign)
                    .fetch_one(&self.database)
                    .await?;
            if is_rested {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The lane's tenant as it was made, whatever became of it.
    pub async fn put_back(&self, lane: usize) -> Result<()> {
        self.with("select fuzz.put_back($1)", &[self.lanes[lane].tenant])
            .await
    }

    pub async fn hide_foreign(&self) -> Result<()> {
        self.with("select fuzz.take_away($1)", &self.foreign).await
    }

    pub async fn show_foreign(&self) -> Result<()> {
        self.with("select fuzz.put_back($1)", &self.foreign).await
    }

    /// The tables in which the foreign tenants' rows are not what they were.
    pub async fn changed(&self) -> Result<Vec<String>> {
        let now = self.prints_now().await?;
        let differ = now
            .iter()
            .filter(|print| !self.prints.contains(print))
            .map(|(place, _)| place.clone());
        Ok(differ.collect())
    }

    async fn prints_now(&self) -> Result<Prints> {
        let rows = sqlx::query("select p.place, p.print from fuzz.prints($1) p order by 1")
            .bind(&self.foreign)
            .fetch_all(&self.database)
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }

    async fn with(&self, statement: &'static str, tenants: &[Uuid]) -> Result<()> {
        sqlx::query(statement)
            .bind(tenants)
            .execute(&self.database)
            .await
            .with_context(|| statement.to_owned())?;
        Ok(())
    }

    /// Makes it, in a database that has migrations, policies and the seed. Ends what an earlier run left.
    pub async fn make(database_url: &str, jwt_secret: &str) -> Result<Self> {
        Self::load(make::make(database_url).await?, jwt_secret).await
    }

    /// Takes everything out of the database that was put there.
    pub async fn unmake(self) -> Result<()> {
        make::sweep(&self.database).await?;
        self.database.close().await;
        Ok(())
    }
}

/// Every row that was kept of one side, as text; for ours, also the rows that are nobody's.
async fn kept_rows(database: &PgPool, foreign: bool) -> Result<Vec<String>> {
    let places = sqlx::query("select p.place::text, fuzz.owned(p.place, 'array(select t.id from fuzz.tenants t where t.is_foreign = $1)') from fuzz.places p")
        .fetch_all(database)
        .await?;
    let mut kept = Vec::new();
    for place in places {
        let (place, owned): (String, String) = (place.try_get(0)?, place.try_get(1)?);
        let statement = format!("select to_jsonb(r)::text from {place} r where {owned}");
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(statement))
            .bind(foreign)
            .fetch_all(database)
            .await?;
        kept.extend(rows);
    }
    if !foreign {
        let plans: Vec<String> =
            sqlx::query_scalar("select to_jsonb(p)::text from public.subscription_plans p")
                .fetch_all(database)
                .await?;
        kept.extend(plans);
    }
    Ok(kept)
}
