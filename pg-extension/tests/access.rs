//! In which tenants a caller may do something: as the same questions in PL/pgSQL answer, which are in `access/tables.sql`, and by the rules of
//! any other statement: snapshots, locks, isolation levels.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use support::{Database, sqlstate};

const TABLES: &str = include_str!("access/tables.sql");

async fn database() -> (Database, PgConnection) {
    let database = Database::create().await;
    let mut c = database.connect().await;
    run(&mut c, TABLES).await;
    (database, c)
}

async fn run(c: &mut PgConnection, sql: &str) {
    c.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Again until every page is marked as visible to everybody. That waits for whoever may have an older snapshot: autovacuum, and any session
/// that is just being opened, to whatever database.
async fn vacuum_for_everybody(c: &mut PgConnection, vacuum: &str) {
    let all_visible =
        "(select relallvisible >= relpages from pg_class where oid = 'private.access'::regclass)";
    loop {
        run(c, vacuum).await;
        if text(c, all_visible).await == "true" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn text(c: &mut PgConnection, expression: &str) -> String {
    let sql = format!("select ({expression})::text");
    c.fetch_one(AssertSqlSafe(sql)).await.unwrap().get(0)
}

async fn failure(c: &mut PgConnection, expression: &str) -> sqlx::Error {
    let sql = format!("select {expression}");
    c.execute(AssertSqlSafe(sql)).await.unwrap_err()
}

/// Principals and tenants by number.
fn person(number: usize) -> String {
    format!("01900000-0000-7000-9000-{number:012}")
}

fn tenant(number: usize) -> String {
    format!("01900000-0000-7000-8000-{number:012}")
}

async fn sign_in(c: &mut PgConnection, number: usize) {
    let claims = format!(
        r#"{{"role": "authenticated", "sub": "{}"}}"#,
        person(number)
    );
    claim(c, &claims).await;
}

async fn claim(c: &mut PgConnection, claims: &str) {
    sqlx::query("select set_config('request.jwt.claims', $1, false)")
        .bind(claims)
        .execute(c)
        .await
        .unwrap();
}

fn member(tenant_number: usize, person_number: usize) -> String {
    format!(
        "insert into private.access values ('{}', '{}', 1024, 1024)",
        tenant(tenant_number),
        person(person_number)
    )
}

const ASKED: &str = "aias.tenants_with('executions.read')";

fn tenants(numbers: &[usize]) -> String {
    let names: Vec<_> = numbers.iter().map(|number| tenant(*number)).collect();
    format!("{{{}}}", names.join(","))
}

// The same answers ---------------------------------------------------------------------------------------------------------------

/// Claims of all sorts: mostly sound ones, whose order, white space and other members vary, and some that nobody should send.
fn some_claims(random: &mut StdRng) -> String {
    let someone = person(random.random_range(0..6));
    let key = person(random.random_range(6..9));
    let odd = [
        "",
        " ",
        "{}",
        "null",
        "[]",
        "5",
        "\"text\"",
        "{",
        "{\"sub\": }",
        "not json",
        r#"{"sub": "nobody"}"#,
        r#"{"sub": ""}"#,
        r#"{"sub": null, "aal": null}"#,
        r#"{"sub": 5}"#,
        r#"{"sub": true}"#,
        r#"{"sub": {}}"#,
        r#"{"sub": 12345678901234567890123456789012}"#,
        r#"{"aal": 2}"#,
        r#"{"email": "a\u0000b"}"#,
        r#"{"email": "\ud800"}"#,
        r#"{"email": "a\nb"}"#,
        "{\"email\": \"a\nb\"}",
        r#"{"sub": "x", "sub": null}"#,
    ];
    match random.random_range(0..12) {
        0 => odd[random.random_range(0..odd.len())].to_owned(),
        1 => format!(r#"["{someone}", "{key}", "aal2"]"#),
        2 => format!(r#"{{"sub": "{key}", "sub": "{someone}"}}"#),
        3 => format!(r#"{{"s\u0075b": "{someone}", "note": "a \"quoted\" name"}}"#),
        4 => format!(r#"{{"sub": "{}", "aal": "aal2"}}"#, someone.to_uppercase()),
        5 => format!(r#"{{"sub": "{{{}}}"}}"#, someone.replace('-', "")),
        6 => format!(r#" {{ "api_key_id" : "{key}" , "sub":"{someone}","aal":"aal2" }} "#),
        7 => format!(r#"{{"api_key_id": null, "sub": "{someone}", "amr": [{{"sub": "{key}"}}]}}"#),
        8 => {
            format!(r#"{{"app_metadata": {{"sub": "{key}"}}, "aal": "aal2", "sub": "{someone}"}}"#)
        }
        9 => format!(r#"{{"aal": "AAL2", "sub": "{someone}"}}"#),
        _ => format!(
            r#"{{"aal": "aal{}", "aud": "authenticated", "exp": 1e3, "name": "Åsa", "role": "authenticated", "sub": "{someone}"}}"#,
            random.random_range(1..3)
        ),
    }
}

/// A change of what is granted, in one statement.
fn some_change(random: &mut StdRng) -> String {
    let (who, at) = (
        person(random.random_range(0..9)),
        tenant(random.random_range(0..40)),
    );
    let bits = [0i64, 1, 32, 1024, 1057, 1 << 62, i64::MAX];
    let mut bits = || bits[random.random_range(0..bits.len())];
    let (one, two) = (bits(), bits());
    let ends_at =
        ["infinity", "-infinity", "now", "2000-01-01", "2100-01-01"][random.random_range(0..5)];
    match random.random_range(0..10) {
        0..=4 => format!(
            "insert into private.access values ('{at}', '{who}', {one}, {two}, '{ends_at}')
             on conflict (tenant_id, principal) do update set granted = {one}, granted_with_second_factor = {two}, ends_at = '{ends_at}'"
        ),
        5 => format!("update private.access set granted = granted_with_second_factor where principal = '{who}'"),
        6 => format!("delete from private.access where principal = '{who}' and tenant_id > '{at}'"),
        7 => format!("delete from private.access where tenant_id = '{at}'"),
        8 => "update public.permissions set bit = (bit + 1) % 63".to_owned(),
        _ => "vacuum private.access, public.permissions".to_owned(),
    }
}

#[tokio::test]
async fn all_questions_are_answered_as_in_plpgsql() {
    let (database, mut c) = database().await;
    let mut random = StdRng::seed_from_u64(7);
    let (mut answered, mut refused) = (0, 0);
    for round in 0..600 {
        run(&mut c, &some_change(&mut random)).await;
        let claims = some_claims(&mut random);
        claim(&mut c, &claims).await;
        let sub = match random.random_range(0..12) {
            0 => person(random.random_range(0..9)),
            1 => "nobody".to_owned(),
            _ => String::new(),
        };
        run(&mut c, &format!("set request.jwt.claim.sub = '{sub}'")).await;
        let differences: Vec<(String, String, String)> =
            sqlx::query_as("select * from oracle.differences()")
                .fetch_all(&mut c)
                .await
                .unwrap();
        assert!(
            differences.is_empty(),
            "{round}: {claims} {sub}: {differences:#?}"
        );
        let answer = text(&mut c, "oracle.answer('aias.own_tenants()')").await;
        answered += i32::from(answer.len() > 2 && answer.starts_with('{'));
        refused += i32::from(!answer.starts_with('{'));
    }
    // Equal because nobody has ever anything would prove nothing.
    assert!(answered > 200 && refused > 20, "{answered} {refused}");
    database.remove().await;
}

#[tokio::test]
async fn claims_that_are_none_are_refused_with_a_sqlstate() {
    let (database, mut c) = database().await;
    claim(&mut c, "{\"sub\": ").await;
    assert_eq!(sqlstate(&failure(&mut c, ASKED).await), "22P02");
    claim(&mut c, r#"{"sub": "somebody"}"#).await;
    let error = failure(&mut c, ASKED).await;
    assert_eq!(sqlstate(&error), "22P02");
    assert!(
        error
            .to_string()
            .contains("invalid input syntax for type uuid: \"somebody\"")
    );
    // The session is as good as before.
    sign_in(&mut c, 1).await;
    assert_eq!(text(&mut c, ASKED).await, "{}");
    database.remove().await;
}

#[tokio::test]
async fn who_is_nobody_is_nowhere() {
    let (database, mut c) = database().await;
    run(&mut c, &member(1, 1)).await;
    for question in [
        ASKED,
        "aias.own_tenants()",
        "aias.tenants_asking_for_second_factor()",
    ] {
        assert_eq!(
            text(&mut c, question).await,
            "{}",
            "{question}, never signed in"
        );
    }
    sign_in(&mut c, 1).await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1]));
    claim(&mut c, "").await;
    assert_eq!(text(&mut c, ASKED).await, "{}");
    assert_eq!(
        text(&mut c, "aias.tenants_with(null) is null").await,
        "true"
    );
    database.remove().await;
}

#[tokio::test]
async fn tenants_come_in_the_order_that_an_index_wants_them_in() {
    let (database, mut c) = database().await;
    for number in [30, 2, 11, 700, 5] {
        run(&mut c, &member(number, 1)).await;
    }
    sign_in(&mut c, 1).await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[2, 5, 11, 30, 700]));
    // More than a page of the index.
    run(
        &mut c,
        "insert into private.access select gen_random_uuid(), '01900000-0000-7000-9000-000000000001', 1024, 1024 from generate_series(1, 3000)",
    )
    .await;
    let all = format!(
        "select cardinality({ASKED}) = 3005 and {ASKED} = array(select t from unnest({ASKED}) t order by 1)"
    );
    assert_eq!(text(&mut c, &all).await, "true");
    database.remove().await;
}

// Snapshots ----------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_change_holds_from_the_next_statement_on() {
    let (database, mut c) = database().await;
    let mut other = database.connect().await;
    sign_in(&mut c, 1).await;
    run(&mut other, &member(1, 1)).await;
    run(&mut other, &member(2, 1)).await;
    run(&mut other, "vacuum private.access").await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1, 2]));

    // Somebody else's, when it has committed; although a transaction is open here.
    run(&mut c, "begin").await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1, 2]));
    run(&mut other, "begin").await;
    run(
        &mut other,
        &format!(
            "delete from private.access where tenant_id = '{}'",
            tenant(1)
        ),
    )
    .await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1, 2]));
    run(&mut other, "commit").await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[2]));

    // One's own at once, and not after its rollback.
    run(&mut c, "savepoint before").await;
    run(&mut c, &member(3, 1)).await;
    run(
        &mut c,
        &format!(
            "update private.access set granted = 0 where tenant_id = '{}'",
            tenant(2)
        ),
    )
    .await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[3]));
    run(&mut c, "rollback to before").await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[2]));
    run(&mut c, "commit").await;
    database.remove().await;
}

#[tokio::test]
async fn a_statement_sees_what_it_saw_when_it_began() {
    let (database, mut c) = database().await;
    let mut other = database.connect().await;
    sign_in(&mut c, 1).await;
    run(&mut other, &member(1, 1)).await;

    // A cursor has the snapshot of its declaration.
    run(
        &mut c,
        "begin; declare before cursor for select aias.own_tenants()::text",
    )
    .await;
    run(&mut c, &member(2, 1)).await;
    let before: String = c.fetch_one("fetch before").await.unwrap().get(0);
    assert_eq!(before, tenants(&[1]));
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1, 2]));
    run(&mut c, "rollback").await;

    // Under repeatable read all statements do.
    run(&mut c, "begin isolation level repeatable read").await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1]));
    run(&mut other, "update public.permissions set bit = bit + 1").await;
    run(&mut other, "delete from private.access").await;
    run(&mut other, "vacuum private.access").await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1]));
    run(&mut c, "commit").await;
    assert_eq!(text(&mut c, ASKED).await, "{}");
    database.remove().await;
}

#[tokio::test]
async fn what_ends_ends_with_the_transactions_time() {
    let (database, mut c) = database().await;
    sign_in(&mut c, 1).await;
    run(&mut c, &member(1, 1)).await;
    run(
        &mut c,
        "begin; update private.access set ends_at = now() + interval '1 microsecond'",
    )
    .await;
    run(&mut c, "select pg_sleep(0.01)").await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1]));
    run(&mut c, "commit").await;
    assert_eq!(text(&mut c, ASKED).await, "{}");
    assert_eq!(text(&mut c, "aias.own_tenants()").await, "{}");
    database.remove().await;
}

/// Each of two lets the other in because nobody is there yet: one of them has to try again.
async fn write_skew(c: &mut PgConnection, other: &mut PgConnection) -> Result<(), sqlx::Error> {
    sign_in(c, 1).await;
    sign_in(other, 2).await;
    for session in [&mut *c, &mut *other] {
        run(session, "begin isolation level serializable").await;
        text(session, "aias.own_tenants()").await;
    }
    run(
        c,
        &format!(
            "update private.access set ends_at = '-infinity' where principal = '{}'",
            person(2)
        ),
    )
    .await;
    let second = format!(
        "update private.access set ends_at = '-infinity' where principal = '{}'",
        person(1)
    );
    let written = other.execute(AssertSqlSafe(second)).await;
    c.execute("commit").await?;
    written?;
    other.execute("commit").await.map(drop)
}

#[tokio::test]
async fn what_is_asked_counts_under_serializable() {
    let (database, mut c) = database().await;
    let mut other = database.connect().await;
    for tidy in ["vacuum (freeze) private.access", "select 1"] {
        run(&mut c, "delete from private.access").await;
        for number in [1, 2] {
            run(&mut c, &member(number, number)).await;
        }
        run(&mut c, tidy).await;
        let error = write_skew(&mut c, &mut other).await.unwrap_err();
        assert_eq!(sqlstate(&error), "40001", "after {tidy}");
        run(&mut other, "rollback").await;
    }

    // Also where the index alone has answered, the page of the table is remembered.
    run(&mut c, "delete from private.access; insert into private.access select gen_random_uuid(), gen_random_uuid(), 0, 0 from generate_series(1, 5000)").await;
    run(&mut c, &member(1, 1)).await;
    vacuum_for_everybody(&mut c, "vacuum (freeze, analyze) private.access").await;
    sign_in(&mut c, 1).await;
    run(&mut c, "begin isolation level serializable").await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1]));
    let remembered = "select string_agg(distinct relation::regclass || ' ' || locktype, ', ' order by relation::regclass || ' ' || locktype)
        from pg_locks where mode = 'SIReadLock' and relation::regclass::text ~ 'access'";
    assert_eq!(
        text(&mut c, remembered).await,
        "private.access page, private.access_principal page"
    );
    run(&mut c, "rollback").await;
    database.remove().await;
}

// Locks, and tables that are not as they should be -------------------------------------------------------------------------------

#[tokio::test]
async fn the_tables_are_locked_as_by_a_select() {
    let (database, mut c) = database().await;
    sign_in(&mut c, 1).await;
    run(&mut c, "begin").await;
    text(&mut c, ASKED).await;
    let held = "select string_agg(distinct mode || ' ' || relation::regclass, ', ' order by mode || ' ' || relation::regclass)
        from pg_locks where pid = pg_backend_pid() and relation::regclass::text ~ '(access|permissions)'";
    assert_eq!(
        text(&mut c, held).await,
        "AccessShareLock permissions, AccessShareLock permissions_pkey, AccessShareLock private.access, AccessShareLock private.access_principal"
    );
    run(&mut c, "commit").await;
    database.remove().await;
}

#[tokio::test]
async fn only_the_index_is_read_where_everybody_sees_the_rows() {
    let (database, mut c) = database().await;
    for number in 0..50 {
        run(&mut c, &member(number, 1)).await;
    }
    vacuum_for_everybody(&mut c, "vacuum private.access").await;
    sign_in(&mut c, 1).await;
    run(&mut c, "begin").await;
    assert_eq!(text(&mut c, &format!("cardinality({ASKED})")).await, "50");
    let rows = "pg_stat_get_xact_tuples_fetched('private.access'::regclass)";
    let scans = "pg_stat_get_xact_numscans('private.access_principal'::regclass)";
    assert_eq!(text(&mut c, rows).await, "0");
    assert_eq!(text(&mut c, scans).await, "1");
    run(&mut c, "commit").await;
    database.remove().await;
}

#[tokio::test]
async fn workers_answer_as_their_leader() {
    let (database, mut c) = database().await;
    run(&mut c, &member(1, 1)).await;
    run(&mut c, "begin").await;
    run(&mut c, &member(2, 1)).await;
    run(&mut c, "commit").await;
    sign_in(&mut c, 1).await;
    run(
        &mut c,
        "select set_config(name, 'on', false) from pg_settings where name in ('force_parallel_mode', 'debug_parallel_query')",
    )
    .await;
    let plan: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(format!("explain (costs off) select {ASKED}")))
            .fetch_all(&mut c)
            .await
            .unwrap();
    assert!(plan.join("\n").contains("Gather"), "{plan:?}");
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1, 2]));
    database.remove().await;
}

#[tokio::test]
async fn tables_that_are_missing_or_not_the_known_ones_are_named() {
    let bare = Database::create().await;
    let mut c = bare.connect().await;
    sign_in(&mut c, 1).await;
    for (question, missing) in [
        (ASKED, "public.permissions"),
        (
            "aias.own_tenants()",
            "private.access with the index access_principal",
        ),
        (
            "aias.tenants_asking_for_second_factor()",
            "private.access with the index access_asking",
        ),
    ] {
        let error = failure(&mut c, question).await;
        assert_eq!(sqlstate(&error), "42P01");
        assert!(error.to_string().contains(missing), "{error}");
    }

    run(&mut c, TABLES).await;
    run(&mut c, &member(1, 1)).await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1]));
    // The same index made anew is another one, and is looked at again.
    run(&mut c, "drop index private.access_principal").await;
    assert_eq!(sqlstate(&failure(&mut c, ASKED).await), "42P01");
    run(&mut c, "create index access_principal on private.access (principal, tenant_id) include (granted_with_second_factor, granted, ends_at)").await;
    assert_eq!(sqlstate(&failure(&mut c, ASKED).await), "42P01");
    run(&mut c, "drop index private.access_principal").await;
    run(&mut c, "create index access_principal on private.access (principal, tenant_id) include (granted, granted_with_second_factor, ends_at)").await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1]));
    run(&mut c, "reindex table private.access").await;
    run(
        &mut c,
        "reindex index concurrently private.access_principal",
    )
    .await;
    assert_eq!(text(&mut c, ASKED).await, tenants(&[1]));
    run(
        &mut c,
        "alter table public.permissions rename column bit to place",
    )
    .await;
    assert_eq!(sqlstate(&failure(&mut c, ASKED).await), "42703");
    bare.remove().await;
}

#[tokio::test]
async fn nobody_asks_who_was_not_let() {
    let (database, mut c) = database().await;
    run(
        &mut c,
        "grant usage on schema aias to public; set role pg_monitor",
    )
    .await;
    for question in [
        ASKED,
        "aias.own_tenants()",
        "aias.tenants_asking_for_second_factor()",
    ] {
        assert_eq!(sqlstate(&failure(&mut c, question).await), "42501");
    }
    database.remove().await;
}
