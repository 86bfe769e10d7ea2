//! Entries are quicker to write than they were, and say the same: what is passed over as harmless is what `audit.told` leaves as it is, and a
//! change is told as the trigger of before tells it.

use std::fs;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::{AssertSqlSafe, Executor, PgPool};
use tests::world::{self, ALPHA};
use uuid::Uuid;

/// Words that are masked, parts of them, and what surrounds them.
const PIECES: [&str; 34] = [
    "authorization",
    "Authorization",
    "api_key",
    "API-Key",
    "apikey",
    "token",
    "max_tokens",
    "secret",
    "passw",
    "PASSWORD",
    "cookie",
    "credential",
    "private-key",
    "PrivateKey",
    "bearer",
    "Basic",
    "x@y",
    "://a:b@c",
    "=",
    ": ",
    " ",
    "to",
    "ken",
    "se",
    "cret",
    "api",
    "key",
    "\\n",
    "\\u0001",
    "\\\"",
    "\\\\",
    "\u{212a}",
    "é",
    "basi",
];

fn some_text(random: &mut StdRng) -> String {
    let common = random.random_bool(0.6);
    let pieces = (0..random.random_range(0..4)).map(|_| {
        // Mostly the harmless ones.
        let from = if common { 18 } else { 0 };
        PIECES[random.random_range(from..PIECES.len())]
    });
    format!("\"{}\"", pieces.collect::<String>())
}

fn some_value(random: &mut StdRng, depth: usize) -> String {
    match random.random_range(0..if depth == 0 { 6 } else { 9 }) {
        0 => "null".to_owned(),
        1 => "false".to_owned(),
        2 => ["1.50", "-3", "1e90", "123456789.000001"][random.random_range(0..4)].to_owned(),
        3..6 => some_text(random),
        6 => format!(
            "[{}, {}]",
            some_value(random, depth - 1),
            some_value(random, depth - 1)
        ),
        7 => format!(
            "{{\"name\": {}, \"value\": {}}}",
            some_text(random),
            some_value(random, depth - 1)
        ),
        _ => some_object(random, depth - 1),
    }
}

fn some_object(random: &mut StdRng, depth: usize) -> String {
    let members: Vec<_> = (0..random.random_range(0..5))
        .map(|_| format!("{}: {}", some_text(random), some_value(random, depth)))
        .collect();
    format!("{{{}}}", members.join(", "))
}

/// Whether it may hold a secret, what is told of it, and whether that is the value as it is.
async fn told(pool: &PgPool, value: &str) -> (bool, bool) {
    sqlx::query_as(
        "select aias.may_hold_secret(v), audit.told(v) is not distinct from v and audit.told(v)::text = v::text from (select $1::jsonb as v) s",
    )
    .bind(value)
    .fetch_one(pool)
    .await
    .unwrap_or_else(|error| panic!("{value}: {error}"))
}

#[sqlx::test(migrations = "../migrations")]
async fn what_holds_no_secret_is_told_as_it_is(pool: PgPool) {
    let mut random = StdRng::seed_from_u64(11);
    let (mut harmless, mut masked) = (0, 0);
    for _ in 0..4000 {
        // An object without a field is told as null, and no row is one.
        let value = format!("{{\"id\": 1, \"field\": {}}}", some_object(&mut random, 3));
        let (may_hold_secret, told_as_it_is) = told(&pool, &value).await;
        assert!(may_hold_secret || told_as_it_is, "{value}");
        harmless += u32::from(!may_hold_secret);
        masked += u32::from(!told_as_it_is);
    }
    assert!(
        harmless > 500 && masked > 500,
        "{harmless} harmless and {masked} masked of 4000 are few"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_long_as_text_is_not_passed_over(pool: PgPool) {
    // Around 2,000 characters, where audit.told begins to leave values out; also by what is longer as text than as it is stored.
    for (unit, most) in [("a", 1985), ("\\u0001", 331), ("\\\\", 993), ("é", 1985)] {
        for count in most - 30..most + 30 {
            let value = format!("{{\"text\": \"{}\"}}", unit.repeat(count));
            let (may_hold_secret, told_as_it_is) = told(&pool, &value).await;
            assert!(may_hold_secret || told_as_it_is, "{count} times {unit}");
        }
    }
    for value in [
        r#"{"number": 1e2500}"#.to_owned(),
        r#"{"number": 1e-2500}"#.to_owned(),
        format!("{{\"list\": [{}1]}}", "1, ".repeat(700)),
        format!("{{\"deep\": {}1{}}}", "[".repeat(1000), "]".repeat(1000)),
    ] {
        assert!(told(&pool, &value).await.0, "{value:.40}");
    }
}

/// The trigger as `20261125000500_audit.sql` made it, on the same table.
fn as_before() -> String {
    let path = tests::repository().join("migrations/20261125000500_audit.sql");
    let sql =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, from) = sql
        .split_once("create function audit.record_change()")
        .expect("the function of before");
    let (body, _) = from.split_once("\n$$;").expect("its end");
    format!(
        "create function audit.record_change_as_before(){body}\n$$;
         create trigger _801_audit_as_before after insert or update or delete on public.ai_agents
           for each row execute function audit.record_change_as_before('tenant_id', 'id')"
    )
}

#[sqlx::test(migrations = "../migrations")]
async fn a_change_is_told_as_before(pool: PgPool) {
    tests::policies::apply(&pool).await.expect("policies apply");
    world::apply(&pool).await.expect("the world is made");
    while chain(&pool).await > 0 {}
    pool.execute(sqlx::raw_sql(AssertSqlSafe(as_before())))
        .await
        .expect("the trigger of before");
    let person: Uuid = sqlx::query_scalar("select id from public.users order by id limit 1")
        .fetch_one(&pool)
        .await
        .expect("somebody");
    let mut random = StdRng::seed_from_u64(5);
    let mut connection = pool.acquire().await.expect("a connection");
    let long_id = format!(r#"{{"x-request-id": "{}"}}"#, "x/".repeat(65));
    for round in 0..231 {
        let claims = &[
            String::new(),
            format!(r#"{{"sub": "{person}"}}"#),
            format!(
                r#"{{"api_key_id": "{}", "sub": "{person}"}}"#,
                Uuid::now_v7()
            ),
            format!(r#"{{"api_key_id": null, "sub": "{person}"}}"#),
            format!(r#"{{"sub": "{person}", "name": "a \"name\" and more"}}"#),
            r#"{"sub": null, "role": "service_role"}"#.to_owned(),
            r#"["api_key_id"]"#.to_owned(),
        ][round % 7];
        let headers = [
            "",
            "{}",
            r#"{"x-request-id": "a b\n7"}"#,
            "no JSON",
            r#"{"x-request-id": "0190"}"#,
            r#"{"x-request-id": ""}"#,
            r#"{"x-request-id": null, "accept": ["a", {"b": 1.50}]}"#,
            r#"{"x-request-id": 1.50}"#,
            r#"{"x-request-id": "é é"}"#,
            r#"{"x-request-id": "one", "x-request-id": "two"}"#,
            r#"["x-request-id"]"#,
            long_id.as_str(),
        ][round % 11];
        // By the superuser, whom policies do not hold; the claims are there for the log.
        let (said, description) = (some_object(&mut random, 2), some_text(&mut random));
        // Not at the top, where max_tokens means something.
        let config = format!(r#"{{"said": {said}}}"#);
        let change = match round % 4 {
            0 => format!(
                "insert into public.ai_agents (tenant_id, name, slug, model, config) values ($1, 'Told', 'told-{round}', 'a/b', $2::jsonb)"
            ),
            3 => format!(
                "delete from public.ai_agents where tenant_id = $1 and slug = 'told-{}' and $2 is not null",
                round - 3
            ),
            _ => "update public.ai_agents set config = $2::jsonb, description = $3::jsonb ->> 0, updated_at = now() + interval '1 hour' where tenant_id = $1 and slug like 'told-%'".to_owned(),
        };
        sqlx::query("select set_config('request.jwt.claims', $1, false), set_config('request.headers', $2, false)")
            .bind(claims)
            .bind(headers)
            .execute(&mut *connection)
            .await
            .expect("settings");
        let query = sqlx::query(AssertSqlSafe(change.clone()))
            .bind(ALPHA.id())
            .bind(config);
        let query = if change.contains("$3") {
            query.bind(format!("[{description}]"))
        } else {
            query
        };
        query
            .execute(&mut *connection)
            .await
            .unwrap_or_else(|error| panic!("{change}: {error}"));
    }
    // Each change twice, one after the other.
    let (entries, others): (i64, i64) = sqlx::query_as(
        "select count(*), count(*) filter (where number % 2 = 1 and next is distinct from entry)
           from (select entry, number, lead(entry) over (order by number) as next
                   from (select (to_jsonb(i) - 'id')::text as entry, row_number() over (order by i.id) as number from audit.inbox i) numbered) s",
    )
    .fetch_one(&pool)
    .await
    .expect("entries");
    assert!(entries > 400, "{entries} entries are few");
    assert_eq!(
        others, 0,
        "of {entries} entries, so many say something else than before"
    );

    while chain(&pool).await > 0 {}
    let problems: i64 = sqlx::query_scalar("select count(*) from audit.verify($1)")
        .bind(ALPHA.id())
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(
        problems, 0,
        "whatever the entries say, audit.payload of them is what was hashed"
    );
}

async fn chain(pool: &PgPool) -> i32 {
    sqlx::query_scalar("select queue.chain_audit(100)")
        .fetch_one(pool)
        .await
        .expect("a number of entries")
}
