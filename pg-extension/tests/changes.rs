//! What an audit log says of a changed row: `aias.jsonb_changed` answers what the same question in SQL answers, in a form that Postgres reads as
//! its own.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::{PgConnection, Row};
use support::{Database, sqlstate};

/// The fields that differ in SQL.
const DIFFERENT: &str = "coalesce((select jsonb_object_agg(e.key, e.value) from jsonb_each(value) e where e.value is distinct from other -> e.key), '{}')";

/// Fields whose values vary in all that is stored in different ways: numbers that are equal and written otherwise, texts of all lengths, containers.
fn some_object(random: &mut StdRng, fields: usize) -> String {
    let mut members = Vec::new();
    for field in 0..fields {
        if random.random_bool(0.9) {
            // Keys of several lengths, whose order is not that of their numbers.
            let key = format!("{}{field}", "k".repeat(field % 7));
            members.push(format!("\"{key}\": {}", some_value(random, 3)));
        }
    }
    format!("{{{}}}", members.join(", "))
}

fn some_value(random: &mut StdRng, depth: usize) -> String {
    match random.random_range(0..if depth == 0 { 8 } else { 11 }) {
        0 => "null".to_owned(),
        1 => "true".to_owned(),
        2 => ["1", "1.0", "1.00", "10e-1"][random.random_range(0..4)].to_owned(),
        3 => ["-12345678901234567890.5", "0", "0.0", "1e200"][random.random_range(0..4)].to_owned(),
        4 => "\"\"".to_owned(),
        5 => format!("\"{}\"", "é\\\"\\n".repeat(random.random_range(0..3))),
        6 => format!("\"{}\"", "long ".repeat(random.random_range(0..30))),
        7 => "false".to_owned(),
        8 => format!("[{}]", some_value(random, depth - 1)),
        9 => format!("[1, {}, 2.50]", some_value(random, depth - 1)),
        _ => format!("{{\"a\": {}, \"b\": 1.0}}", some_value(random, depth - 1)),
    }
}

#[tokio::test]
async fn it_answers_what_sql_answers() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    // What Postgres does with an object: writes it, finds each key, takes one out, compares, and stores it.
    let compare = format!(
        "select changed::text, different::text,
                changed = different and hashtext(changed::text) = hashtext(different::text) and jsonb_hash(changed) = jsonb_hash(different)
                and changed - 'kk2' = different - 'kk2' and changed || '{{\"k1\": 7}}' = different || '{{\"k1\": 7}}'
                and (select coalesce(bool_and(changed -> k is not distinct from different -> k), true) from jsonb_object_keys(value) k) as is_same
           from (select value, aias.jsonb_changed(value, other) as changed, {DIFFERENT} as different
                   from (values ($1::jsonb, $2::jsonb)) v (value, other)) s"
    );
    let mut random = StdRng::seed_from_u64(7);
    let mut some_fields = 0;
    for round in 0..1500 {
        // Past 32 and 64, where entries say where they end instead of how long they are.
        let fields = [0, 1, 5, 12, 31, 33, 70][round % 7];
        let value = some_object(&mut random, fields);
        let other = if round % 3 == 0 {
            value.replace("1.0", "1.00")
        } else {
            some_object(&mut random, fields)
        };
        let row = sqlx::query(sqlx::AssertSqlSafe(compare.clone()))
            .bind(&value)
            .bind(&other)
            .fetch_one(&mut c)
            .await
            .unwrap();
        let (changed, different, is_same): (String, String, bool) =
            (row.get(0), row.get(1), row.get(2));
        assert_eq!(changed, different, "{value} from {other}");
        assert!(is_same, "{value} from {other}: {changed}");
        some_fields += usize::from(changed != "{}" && changed.len() < value.len());
    }
    assert!(some_fields > 200, "{some_fields} of 1500 are few");
    database.remove().await;
}

async fn answer(c: &mut PgConnection, expression: &str) -> Option<String> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select ({expression})::text")))
        .fetch_one(c)
        .await
        .unwrap()
}

#[tokio::test]
async fn it_reads_what_is_stored_elsewhere_and_compressed() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    for sql in [
        "create table drawings (before jsonb, after jsonb)",
        "insert into drawings select jsonb_build_object('nodes', n, 'name', 'one', 'x', 1), jsonb_build_object('nodes', n, 'name', 'two', 'x', 1)
           from (select jsonb_agg(jsonb_build_object('id', 'node ' || i, 'at', i)) as n from generate_series(1, 5000) i) many",
    ] {
        sqlx::query(sql).execute(&mut c).await.unwrap();
    }
    let changed = "(select aias.jsonb_changed(after, before) from drawings)";
    assert_eq!(answer(&mut c, changed).await.unwrap(), r#"{"name": "two"}"#);
    let changed =
        "(select aias.jsonb_changed(after, before - 'nodes') = after - 'x' from drawings)";
    assert_eq!(answer(&mut c, changed).await.unwrap(), "true");
    database.remove().await;
}

#[tokio::test]
async fn only_objects_have_fields() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    for [value, other] in [["[1]", "{}"], ["{}", "1"], ["null", "null"]] {
        let sql = format!("select aias.jsonb_changed('{value}', '{other}')");
        let error = sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut c)
            .await
            .unwrap_err();
        assert_eq!(sqlstate(&error), "22023");
    }
    assert_eq!(answer(&mut c, "aias.jsonb_changed(null, '{}')").await, None);
    database.remove().await;
}
