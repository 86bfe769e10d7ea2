//! Agents whose model has functions of the product called: as the person who started the execution, and as nobody else.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tests::seed::{ALPHA, ALPHA_AGENT, ALPHA_OWNER, BETA};
use uuid::Uuid;

use crate::support::scripted::{Line, Scripted};
use crate::support::worker::openai_at;
use crate::support::{Stage, Worker, edges, node, trigger};

/// A table of the product, and functions on it that agents may call, among others that they may not.
async fn a_product(pool: &PgPool) {
    let sql = format!(
        "create table public.orders (tenant_id uuid not null, number integer not null, primary key (tenant_id, number));
         alter table public.orders enable row level security;
         grant select, insert on public.orders to authenticated;
         create policy \"members read\" on public.orders for select to authenticated
           using (aias.among(tenant_id, (select aias.tenants_with('agents.read'))));
         create policy \"members write\" on public.orders for insert to authenticated
           with check (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));
         insert into public.orders values ('{ALPHA}', 1), ('{ALPHA}', 2), ('{BETA}', 3);
         create function public.find_orders() returns setof integer language sql stable set search_path = '' as
           $$ select number from public.orders order by 1 $$;
         create function public.add_order(tenant_id uuid, number integer) returns void language sql set search_path = '' as
           $$ insert into public.orders values ($1, $2) $$;
         create function public.sleepy() returns void language sql set search_path = '' as $$ select pg_catalog.pg_sleep(60) $$;
         grant execute on function public.find_orders(), public.add_order(uuid, integer), public.sleepy() to authenticated;
         select private.allow_agent_function('public.find_orders()', 'Finds orders.', '{{\"type\": \"object\"}}');
         select private.allow_agent_function('public.sleepy()', 'Sleeps.', '{{\"type\": \"object\"}}');
         select private.allow_agent_function('public.add_order(uuid, integer)', 'Adds an order.',
           '{{\"type\": \"object\", \"properties\": {{\"tenant_id\": {{}}, \"number\": {{}}}}}}', is_read_only => false);"
    );
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(pool)
        .await
        .unwrap();
}

async fn declare(pool: &PgPool, functions: &[&str]) {
    let tools: Vec<Value> = functions
        .iter()
        .map(|name| json!({"type": "rpc", "function": name}))
        .collect();
    sqlx::query(
        "update public.ai_agents set config = jsonb_build_object('tools', $1) where id = $2",
    )
    .bind(Value::Array(tools))
    .bind(ALPHA_AGENT)
    .execute(pool)
    .await
    .unwrap();
}

async fn workflow(stage: &Stage) -> Uuid {
    let ask = node(
        "ask",
        json!({"kind": "chat", "agent_id": ALPHA_AGENT, "prompt": "Go."}),
    );
    stage
        .workflow(json!([trigger(), ask]), edges(&["start->ask"]))
        .await
}

/// An execution that this person has started.
async fn started_by(stage: &Stage, pool: &PgPool, person: Option<Uuid>) -> Uuid {
    let execution = stage.start(workflow(stage).await, json!({})).await;
    sqlx::query("update public.executions set started_by = $1 where id = $2")
        .bind(person)
        .bind(execution)
        .execute(pool)
        .await
        .unwrap();
    execution
}

async fn orders(pool: &PgPool) -> Vec<i32> {
    sqlx::query_scalar("select number from public.orders order by 1")
        .fetch_all(pool)
        .await
        .unwrap()
}

fn worker(stage: &Stage, model: &Scripted) -> Worker {
    Worker::start_with(stage, &[], |config| {
        config.providers = openai_at(&model.url)
    })
}

#[sqlx::test(migrations = "../migrations")]
async fn a_function_sees_and_changes_what_the_person_may(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    a_product(&pool).await;
    declare(&pool, &["find_orders", "add_order"]).await;
    let add =
        |tenant: Uuid, number: i32| ("add_order", json!({"tenant_id": tenant, "number": number}));
    let model = Scripted::start([
        Line::Asks(vec![
            add(ALPHA, 7),
            add(BETA, 8),
            (
                "add_order",
                json!({"tenant_id": ALPHA, "number": "9); drop table orders"}),
            ),
        ]),
        Line::Asks(vec![("find_orders", json!({}))]),
        Line::Says("Done."),
    ])
    .await;
    let execution = started_by(&stage, &pool, Some(ALPHA_OWNER.id)).await;
    let worker = worker(&stage, &model);
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert_eq!(orders(&pool).await, [1, 2, 3, 7]);
    let told = model.told();
    assert_eq!(told[1], "whoever started this execution may not do this");
    assert!(told[2].contains("invalid input syntax"), "{told:?}");
    assert_eq!(told[3], r#"{"has_more":false,"rows":[1,2,7]}"#);
    let declared = &model.requests()[0]["tools"];
    assert_eq!(
        declared[1]["function"]["description"], "Finds orders.",
        "{declared}"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn nobody_and_who_has_left_get_nothing(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    a_product(&pool).await;
    declare(&pool, &["find_orders"]).await;
    let model = Scripted::start([
        Line::Asks(vec![("find_orders", json!({}))]),
        Line::Says("Nothing."),
        Line::Asks(vec![("find_orders", json!({}))]),
        Line::Says("Nothing."),
    ])
    .await;
    sqlx::query("update public.memberships set role = 'owner' where user_id = $1")
        .bind(tests::seed::ALPHA_VIEWER.id)
        .execute(&pool)
        .await
        .unwrap();
    for (person, why) in [
        (None, "nobody started this execution"),
        (Some(ALPHA_OWNER.id), "is no member any more"),
    ] {
        let execution = started_by(&stage, &pool, person).await;
        sqlx::query("delete from public.memberships where user_id = $1")
            .bind(person)
            .execute(&pool)
            .await
            .unwrap();
        let worker = worker(&stage, &model);
        stage.until_status(execution, "succeeded").await;
        worker.stop().await;
        let told = model.told();
        assert!(told[0].contains(why), "{told:?}");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn functions_that_take_long_are_stopped_and_hold_nobody_up(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    a_product(&pool).await;
    declare(&pool, &["sleepy"]).await;
    let model = Scripted::start([
        Line::Asks(vec![("sleepy", json!({})); 8]),
        Line::Says("Too long."),
    ])
    .await;
    let execution = started_by(&stage, &pool, Some(ALPHA_OWNER.id)).await;
    let worker = worker(&stage, &model);
    // As many as the worker lets at once, of those that it was asked for.
    stage
        .until(
            execution,
            "select $1 is not null and count(*) = 4 from pg_stat_activity
              where datname = current_database() and query like '%queue.call_agent_function%' and wait_event = 'PgSleep'",
        )
        .await;
    let quick = stage.workflow(json!([trigger()]), edges(&[])).await;
    let quick = stage.start(quick, json!({})).await;
    stage.until_status(quick, "succeeded").await;
    assert_eq!(
        stage.execution(execution).await.status,
        "running",
        "the others waited for nothing"
    );
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    let told = model.told();
    assert_eq!(told.len(), 8, "{told:?}");
    assert_eq!(
        told[0], "it took longer than 10 s and was stopped",
        "{told:?}"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_not_allowed_any_more_fails_the_step(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    a_product(&pool).await;
    declare(&pool, &["find_orders"]).await;
    sqlx::query("select private.disallow_agent_function('find_orders')")
        .execute(&pool)
        .await
        .unwrap();
    let model = Scripted::start([Line::Says("Never.")]).await;
    let execution = started_by(&stage, &pool, Some(ALPHA_OWNER.id)).await;
    let worker = worker(&stage, &model);
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    worker.stop().await;
    assert_eq!(error["code"], "function_not_allowed", "{error}");
    assert!(model.requests().is_empty());
}
