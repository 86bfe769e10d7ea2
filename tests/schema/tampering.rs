//! Whoever can write the audit log behind everybody's back is found out: each way by itself.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Executor, PgPool};
use tests::world::{self, ALPHA, BETA};

use crate::tampered::{a_chain, found, problems, tamper};

#[sqlx::test(migrations = "../migrations")]
async fn a_deleted_row_is_found(pool: PgPool) {
    a_chain(&pool).await;
    tamper(
        &pool,
        "delete from audit.log where tenant_id = $t and seq = 5",
    )
    .await;
    assert_eq!(problems(&pool, ALPHA).await, found([(6, "missing")]));
    tamper(
        &pool,
        "delete from audit.log where tenant_id = $t and seq = 1",
    )
    .await;
    assert_eq!(
        problems(&pool, ALPHA).await,
        found([(2, "missing"), (6, "missing")])
    );
    assert_eq!(
        problems(&pool, BETA).await,
        BTreeSet::new(),
        "only Alpha's was touched"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn an_edit_of_any_column_is_found(pool: PgPool) {
    a_chain(&pool).await;
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select attname::text, format_type(atttypid, null) from pg_catalog.pg_attribute
          where attrelid = 'audit.log'::regclass and attnum > 0 and not attisdropped order by attnum",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue answers");
    assert!(columns.len() >= 13, "{columns:?}: the search is broken");
    for (column, kind) in &columns {
        let edited = match kind.as_str() {
            "uuid" => "gen_random_uuid()".to_owned(),
            "bigint" => format!("{column} + 1000"),
            "text" => format!("coalesce({column}, '') || ' '"),
            "jsonb" => format!("coalesce({column}, '{{}}') || '{{\"edited\": true}}'"),
            "timestamp with time zone" => format!("{column} + interval '1 microsecond'"),
            "bytea" => "sha256('')".to_owned(),
            kind => panic!("{column}: no edit of type {kind} is known"),
        };
        // In the middle, and the last: what follows an entry is what gives it away, and nothing follows that one.
        for seq in ["5", "(select max(seq) from audit.log where tenant_id = $t)"] {
            let edit = format!(
                "update audit.log set {column} = {edited} where tenant_id = $t and seq = {seq}"
            );
            let edit = edit.replace("$t", &format!("'{}'", ALPHA.id()));
            let mut transaction = pool
                .begin()
                .await
                .expect("a transaction that is taken back");
            transaction
                .execute(sqlx::raw_sql(AssertSqlSafe(edit.clone())))
                .await
                .unwrap_or_else(|error| panic!("{edit}: {error}"));
            assert_ne!(
                problems(&mut *transaction, ALPHA).await,
                BTreeSet::new(),
                "{edit}"
            );
        }
    }
}

/// In two steps, past the primary key.
const SWAP: &str = "
  update audit.log set seq = -seq where tenant_id = $t and seq in (5, 6);
  update audit.log set seq = 11 + seq where tenant_id = $t and seq in (-5, -6)";

#[sqlx::test(migrations = "../migrations")]
async fn a_swapped_pair_is_found(pool: PgPool) {
    a_chain(&pool).await;
    // The two stand in each other's place, each with the hash that belongs to the place.
    tamper(
        &pool,
        &format!(
            "update audit.log l set hash = other.hash from audit.log other
              where l.tenant_id = $t and l.seq in (5, 6) and other.tenant_id = l.tenant_id and other.seq = 11 - l.seq; {SWAP}"
        ),
    )
    .await;
    assert_eq!(
        problems(&pool, ALPHA).await,
        found([(5, "edited"), (6, "edited")])
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_pair_that_is_swapped_with_its_hashes_is_found(pool: PgPool) {
    a_chain(&pool).await;
    tamper(&pool, SWAP).await;
    // So is the one behind them, whose hash is of the hash before it.
    assert_eq!(
        problems(&pool, ALPHA).await,
        found([(5, "edited"), (6, "edited"), (7, "edited")])
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_truncated_tail_is_found(pool: PgPool) {
    let length = a_chain(&pool).await;
    tamper(
        &pool,
        "delete from audit.log where tenant_id = $t and seq > 8",
    )
    .await;
    assert_eq!(problems(&pool, ALPHA).await, found([(length, "truncated")]));
    tamper(&pool, "delete from audit.log where tenant_id = $t").await;
    assert_eq!(
        problems(&pool, ALPHA).await,
        found([(length, "truncated")]),
        "to the last"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_row_that_is_inserted_in_the_middle_is_found(pool: PgPool) {
    a_chain(&pool).await;
    tamper(
        &pool,
        "insert into audit.log (tenant_id, seq, id, at, actor_kind, action, subject, hash)
         select tenant_id, seq, aias.uuid7(), at + interval '1 second', 'system', 'invented', 'workflows', hash
           from audit.log where tenant_id = $t and seq = 5",
    )
    .await;
    let found = problems(&pool, ALPHA).await;
    assert!(found.contains(&(5, "inserted".to_owned())), "{found:?}");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_row_that_is_inserted_at_the_end_is_found(pool: PgPool) {
    let length = a_chain(&pool).await;
    // With the hash that it would have.
    tamper(
        &pool,
        "insert into audit.log (tenant_id, seq, id, at, actor_kind, action, subject, hash)
         select l.tenant_id, l.seq + 1, new.id, l.at, 'system', 'invented', 'workflows',
                audit.link(l.hash, audit.payload(l.tenant_id, l.seq + 1, new.id, l.at, 'system', null, 'invented', 'workflows', null, null, null, null))
           from audit.log l, (select aias.uuid7() as id) new where l.tenant_id = $t order by l.seq desc limit 1",
    )
    .await;
    assert_eq!(
        problems(&pool, ALPHA).await,
        found([(length + 1, "inserted")])
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_slip_changes_nothing(pool: PgPool) {
    tests::policies::apply(&pool).await.expect("policies apply");
    world::apply(&pool).await.expect("the world is made");
    for slip in [
        "update audit.log set action = 'other'",
        "delete from audit.log",
        "truncate audit.log",
        "update audit.inbox set action = 'other'",
        "delete from audit.inbox",
        "truncate audit.inbox",
    ] {
        let refused = sqlx::query(slip).execute(&pool).await.expect_err(slip);
        let code = refused
            .as_database_error()
            .and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("23000"), "{slip}");
    }
}
