//! The audit log's chain under many sessions: every entry that was committed is in it once, without a gap, and nothing that was taken back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tests::world::{self, ALPHA, BETA};
use uuid::Uuid;

const WRITERS: u64 = 6;
const TRANSACTIONS: usize = 40;

async fn a_world(pool: &PgPool) {
    tests::policies::apply(pool).await.expect("policies apply");
    world::apply(pool).await.expect("the world is made");
}

async fn chain(database: &mut PgConnection, most: i32) -> i32 {
    sqlx::query_scalar("select queue.chain_audit($1)")
        .bind(most)
        .fetch_one(database)
        .await
        .expect("a number of entries")
}

#[sqlx::test(migrations = "../migrations")]
async fn many_writers_and_two_chainers_make_a_chain_without_gaps(pool: PgPool) {
    a_world(&pool).await;
    let options = (*pool.connect_options()).clone();
    let done = Arc::new(AtomicBool::new(false));
    let chainers: Vec<_> = (0..2)
        .map(|_| {
            let (options, done) = (options.clone(), done.clone());
            tokio::spawn(async move {
                let mut connection = options.connect().await.expect("a connection");
                let mut chained = 0;
                while !done.load(Ordering::Relaxed) {
                    chained += chain(&mut connection, 7).await;
                }
                chained
            })
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|seed| {
            let options = options.clone();
            tokio::spawn(async move {
                let mut connection = options.connect().await.expect("a connection");
                let mut random = StdRng::seed_from_u64(seed);
                let mut kept = BTreeSet::new();
                for _ in 0..TRANSACTIONS {
                    kept.extend(write(&mut connection, &mut random).await);
                }
                kept
            })
        })
        .collect();
    let mut kept = BTreeSet::new();
    for writer in writers {
        kept.extend(writer.await.expect("a writer ends well"));
    }
    done.store(true, Ordering::Relaxed);
    for chainer in chainers {
        chainer.await.expect("a chainer ends well");
    }
    let mut connection = pool.acquire().await.expect("a connection");
    while chain(&mut connection, 1000).await > 0 {}

    assert!(kept.len() > 200, "{} entries are few", kept.len());
    let chained: Vec<Uuid> = sqlx::query_scalar("select subject_id::uuid from audit.log where subject = 'ai_agents' and after ->> 'name' = 'Passing'")
        .fetch_all(&pool)
        .await
        .expect("entries");
    assert_eq!(chained.len(), kept.len(), "each once");
    assert_eq!(
        chained.into_iter().collect::<BTreeSet<_>>(),
        kept,
        "what is chained and what was committed"
    );
    let in_order: Vec<(Uuid, bool)> = sqlx::query_as(
        "select l.tenant_id, min(l.seq) = 1 and max(l.seq) = count(*) and count(*) = count(distinct l.seq) and max(l.seq) = max(h.seq)
           from audit.log l left join audit.heads h on h.tenant_id = l.tenant_id group by 1",
    )
    .fetch_all(&pool)
    .await
    .expect("chains");
    assert!(
        in_order.iter().all(|(_, in_order)| *in_order),
        "{in_order:?}"
    );
    let problems: i64 =
        sqlx::query_scalar("select count(*) from public.tenants t cross join audit.verify(t.id)")
            .fetch_one(&pool)
            .await
            .expect("a count");
    assert_eq!(problems, 0);
}

/// A few agents in one tenant or both; a savepoint and a third of the transactions are taken back. Answers the ids of what was kept.
async fn write(connection: &mut PgConnection, random: &mut StdRng) -> Vec<Uuid> {
    let mut transaction = connection.begin().await.expect("a transaction");
    let mut kept = Vec::new();
    for _ in 0..random.random_range(1..5) {
        let id = Uuid::now_v7();
        let taken_back = random.random_bool(0.2);
        if taken_back {
            transaction
                .execute("savepoint before")
                .await
                .expect("a savepoint");
        }
        sqlx::query("insert into public.ai_agents (tenant_id, id, name, slug, model) values ($1, $2, 'Passing', $3, 'openai/gpt-4o-mini')")
            .bind(if random.random_bool(0.7) { ALPHA.id() } else { BETA.id() })
            .bind(id)
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await
            .expect("an agent");
        if taken_back {
            transaction
                .execute("rollback to savepoint before")
                .await
                .expect("taken back");
        } else {
            kept.push(id);
        }
    }
    if random.random_bool(0.33) {
        transaction.rollback().await.expect("taken back");
        return Vec::new();
    }
    transaction.commit().await.expect("kept");
    kept
}

#[sqlx::test(migrations = "../migrations")]
async fn what_a_long_transaction_writes_is_chained_when_it_has_ended(pool: PgPool) {
    a_world(&pool).await;
    let mut chainer = pool.acquire().await.expect("a connection");
    while chain(&mut chainer, 1000).await > 0 {}
    let rename = |name: &'static str| {
        sqlx::query("update public.ai_agents set name = $3 where tenant_id = $1 and id = $2")
            .bind(ALPHA.id())
            .bind(match name {
                "Long" => ALPHA.of(world::Thing::Agent),
                _ => ALPHA.of(world::Thing::SecondAgent),
            })
            .bind(name)
    };
    let mut long = pool.begin().await.expect("a transaction");
    rename("Long").execute(&mut *long).await.expect("a change");
    rename("Short").execute(&pool).await.expect("a change");
    assert_eq!(
        chain(&mut chainer, 1000).await,
        1,
        "the short one's, and nobody waits for the long one"
    );
    long.commit().await.expect("kept");
    assert_eq!(chain(&mut chainer, 1000).await, 1, "then the long one's");

    let order: Vec<(String, i64, Uuid)> =
        sqlx::query_as("select after ->> 'name', seq, id from audit.log where tenant_id = $1 and action = 'ai_agents.update' order by seq")
            .bind(ALPHA.id())
            .fetch_all(&pool)
            .await
            .expect("entries");
    let names: Vec<_> = order.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["Short", "Long"]);
    assert!(order[0].2 > order[1].2, "though it was written first");
    let problems: i64 = sqlx::query_scalar("select count(*) from audit.verify($1)")
        .bind(ALPHA.id())
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(problems, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn one_chainer_is_at_it_at_a_time(pool: PgPool) {
    a_world(&pool).await;
    let mut one = pool.begin().await.expect("a transaction");
    assert!(chain(&mut one, 1).await == 1);
    let mut other = pool.acquire().await.expect("a connection");
    assert_eq!(
        chain(&mut other, 1000).await,
        0,
        "it does not wait, and leaves the work to the one"
    );
    one.rollback().await.expect("it dies");
    assert!(
        chain(&mut other, 1000).await > 1,
        "and the other goes on with all of it"
    );
}
