//! `aias.among` means `= any`, and the planner knows.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use support::Database;

async fn run(c: &mut PgConnection, sql: &str) {
    c.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test]
async fn it_means_equal_to_any() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let mut random = StdRng::seed_from_u64(3);
    let mut found = 0;
    for round in 0..1000 {
        let mut some = || {
            let number: u8 = random.random_range(0..12);
            if number == 11 {
                "null".to_owned()
            } else {
                format!("'01940000-0000-7000-8000-{number:012}'")
            }
        };
        let tenant = some();
        let count = [0, 1, 2, 6, 9, 40][round % 6];
        let elements: Vec<String> = (0..count).map(|_| some()).collect();
        let array = if count == 6 {
            format!(
                "array[[{}], [{}]]",
                elements[..3].join(","),
                elements[3..].join(",")
            )
        } else {
            format!("array[{}]", elements.join(","))
        };
        let sql = format!(
            "select aias.among(t, a), t = any (a) from (select {tenant}::uuid as t, {array}::uuid[] as a offset 0) s"
        );
        let row = c.fetch_one(AssertSqlSafe(sql.clone())).await.unwrap();
        let [among, any]: [Option<bool>; 2] = [row.get(0), row.get(1)];
        // Null and false let no row through.
        assert_eq!(among.unwrap_or(false), any.unwrap_or(false), "{sql}");
        found += usize::from(among == Some(true));
    }
    assert!(
        (200..800).contains(&found),
        "{found} of 1000 were among them"
    );
    database.remove().await;
}

/// A hundred tenants with two hundred rows each, and a policy's question.
const TENANTS: &str = "
    create table logs (tenant_id uuid not null, at int not null, filler text);
    insert into logs select ('01940000-0000-7000-8000-' || lpad(t::text, 12, '0'))::uuid, n, repeat('x', 100)
      from generate_series(1, 200) n, generate_series(1, 100) t;
    create index on logs (tenant_id, at);
    create index on logs (at, tenant_id);
    analyze logs;
    create function those() returns uuid[] language sql stable as $$
      select array_agg(('01940000-0000-7000-8000-' || lpad(t::text, 12, '0'))::uuid) from generate_series(1, 5) t $$;
    set plan_cache_mode = force_generic_plan;
    set jit = off";

async fn plan(c: &mut PgConnection, select: &str, arguments: &str) -> Value {
    run(c, &format!("prepare question {select}")).await;
    let explain = format!("explain (format json) execute question {arguments}");
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_one(&mut *c)
        .await
        .unwrap();
    run(c, "deallocate question").await;
    plan[0]["Plan"].clone()
}

const ONE: &str = "('01940000-0000-7000-8000-000000000003')";

#[tokio::test]
async fn beside_an_equality_it_takes_no_row_away() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    run(&mut c, TENANTS).await;
    for condition in ["tenant_id = $1", "$1 = tenant_id"] {
        let select = format!(
            "(uuid) as select * from logs where aias.among(tenant_id, (select those())) and {condition} order by at desc limit 50"
        );
        let plan = plan(&mut c, &select, ONE).await;
        assert!(!plan.to_string().contains("\"Sort\""), "{plan:#}");
        let scan = plan["Plans"]
            .as_array()
            .and_then(|plans| plans.iter().find(|plan| plan["Node Type"] == "Index Scan"))
            .unwrap_or_else(|| panic!("{plan:#}"));
        assert_eq!(scan["Index Name"], "logs_tenant_id_at_idx");
        assert_eq!(scan["Plan Rows"], 200, "{plan:#}");
        let condition = scan["Index Cond"].as_str().unwrap_or_default();
        assert!(!condition.contains("ANY"), "{condition}");
    }
    database.remove().await;
}

#[tokio::test]
async fn alone_it_is_found_by_the_index() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    run(&mut c, TENANTS).await;
    run(&mut c, "set enable_seqscan = off").await;
    let among = plan(
        &mut c,
        "as select * from logs where aias.among(tenant_id, (select those()))",
        "",
    )
    .await;
    let any = plan(
        &mut c,
        "as select * from logs where tenant_id = any ((select those())::uuid[])",
        "",
    )
    .await;
    assert_eq!(among["Plan Rows"], any["Plan Rows"]);
    assert!(
        among
            .to_string()
            .contains("(tenant_id = ANY ((InitPlan 1).col1))")
            || among.to_string().contains("(tenant_id = ANY ($0))"),
        "{among:#}"
    );

    // Whatever way it goes, the rows are the same: also in order, of an index that begins with another column.
    for order in ["tenant_id, at", "at, tenant_id", "at desc, tenant_id desc"] {
        for question in [
            "",
            "and at = 7",
            "and tenant_id = '01940000-0000-7000-8000-000000000003'",
            "and tenant_id = '01940000-0000-7000-8000-000000000007'",
        ] {
            let rows = async |c: &mut PgConnection, condition: &str| -> Vec<String> {
                let sql = format!(
                    "select tenant_id || ' ' || at from logs where {condition} {question} order by {order}"
                );
                sqlx::query_scalar(AssertSqlSafe(sql))
                    .fetch_all(c)
                    .await
                    .unwrap()
            };
            let among = rows(&mut c, "aias.among(tenant_id, (select those()))").await;
            let any = rows(&mut c, "tenant_id = any ((select those())::uuid[])").await;
            assert_eq!(among, any, "{question} order by {order}");
        }
    }
    database.remove().await;
}
