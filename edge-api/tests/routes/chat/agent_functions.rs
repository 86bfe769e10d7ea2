//! Agents whose model has functions of the product called: as the person who asks, and as nobody else.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgPool};
use tests::seed::{ALPHA, ALPHA_EDITOR, ALPHA_OWNER, BETA};
use uuid::Uuid;

use super::agent_tools::{asked, configure};
use super::{Gateway, PATH};
use crate::support::EventReader;
use crate::support::api_keys::ApiKey;
use crate::support::upstream::Line::{Asks, Says};

/// A table of the product, and functions on it that agents may call.
async fn shop(pool: PgPool, functions: &[&str]) -> Gateway {
    let gateway = Gateway::new(pool).await;
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
         create function public.add_secretly(number integer) returns void language sql set search_path = '' as
           $$ insert into public.orders values ('{ALPHA}', $1) $$;
         create function public.wait() returns void language sql set search_path = '' as $$ select pg_advisory_xact_lock_shared(77) $$;
         grant execute on function public.find_orders(), public.add_order(uuid, integer), public.add_secretly(integer), public.wait() to authenticated;
         select private.allow_agent_function('public.find_orders()', 'Finds orders.', '{{\"type\": \"object\"}}');
         select private.allow_agent_function('public.wait()', 'Waits.', '{{\"type\": \"object\"}}');
         select private.allow_agent_function('public.add_secretly(integer)', 'Reads.', '{{\"type\": \"object\", \"properties\": {{\"number\": {{}}}}}}');
         select private.allow_agent_function('public.add_order(uuid, integer)', 'Adds an order.',
           '{{\"type\": \"object\", \"properties\": {{\"tenant_id\": {{}}, \"number\": {{}}}}}}', is_read_only => false);"
    );
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&gateway.app.pool)
        .await
        .unwrap();
    let tools: Vec<Value> = functions
        .iter()
        .map(|name| json!({"type": "rpc", "function": name}))
        .collect();
    configure(&gateway.app.pool, json!({"tools": tools})).await;
    gateway
}

async fn orders(pool: &PgPool) -> Vec<i32> {
    sqlx::query_scalar("select number from public.orders order by 1")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_function_sees_and_changes_what_the_caller_may(pool: PgPool) {
    let gateway = shop(pool, &["find_orders", "add_order", "add_secretly"]).await;
    let add =
        |tenant: Uuid, number: i32| ("add_order", json!({"tenant_id": tenant, "number": number}));
    let bad = json!({"tenant_id": ALPHA, "number": "9); drop table orders"});
    gateway.upstream.is_to_say([
        Asks(
            "",
            vec![
                add(ALPHA, 7),
                add(BETA, 8),
                ("add_order", bad),
                ("add_secretly", json!({"number": 9})),
                ("add_order", json!({"sql": 1})),
            ],
        ),
        Asks("", vec![("find_orders", json!({}))]),
        Says("Done."),
    ]);
    let answer = gateway.ask(&asked()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(orders(&gateway.app.pool).await, [1, 2, 3, 7]);
    let told = gateway.upstream.journal.told();
    assert_eq!(told[1], "you may not do this");
    assert!(told[2].contains("invalid input syntax"), "{told:?}");
    assert_eq!(told[3], "this function may only read, and tried to write");
    assert_eq!(told[4], "there is no argument sql");
    assert_eq!(told[5], r#"{"has_more":false,"rows":[1,2,7]}"#);
    gateway.used().await;
    assert_eq!(gateway.tokens().await, (30, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_is_no_person_and_a_person_of_two_tenants_is_not_one_of_this(pool: PgPool) {
    let gateway = shop(pool, &["find_orders"]).await;
    let refused = async |token: &str| {
        let request = gateway.app.post(PATH).bearer(token).json(&asked());
        let answer = request.send().await;
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        (answer.status.as_u16(), answer.code(), message)
    };
    let scopes = ["models.call", "agents.read"];
    let key = ApiKey::create(&gateway.app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    let (status, code, message) = refused(&key.key).await;
    assert_eq!((status, code.as_str()), (403, "person_required"));
    insta::assert_snapshot!(message, @"this agent calls the function find_orders for the person who asks it: an API key asks");

    sqlx::query(
        "insert into public.memberships (tenant_id, user_id, role) values ($1, $2, 'viewer')",
    )
    .bind(BETA)
    .bind(ALPHA_EDITOR.id)
    .execute(&gateway.app.pool)
    .await
    .unwrap();
    let (status, code, message) = refused(&ALPHA_EDITOR.token(crate::support::SECRET)).await;
    assert_eq!((status, code.as_str()), (403, "person_required"));
    assert!(message.contains("several tenants"), "{message}");
    assert_eq!(gateway.upstream.journal.requests().len(), 0);
    gateway.used().await;
    assert_eq!(gateway.tokens().await, (0, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_client_that_leaves_while_a_tool_runs_ends_the_conversation(pool: PgPool) {
    let gateway = shop(pool, &["wait"]).await;
    let waiting = async |wanted: bool| {
        let what = if wanted {
            "a function waits"
        } else {
            "it is over"
        };
        gateway
            .app
            .wait_until(what, async |pool| {
                let found: bool = sqlx::query_scalar(
                    "select exists (select from pg_locks l join pg_database d on d.oid = l.database
                       where d.datname = current_database() and l.locktype = 'advisory' and l.objid = 77 and not l.granted)",
                )
                .fetch_one(pool)
                .await
                .unwrap();
                found == wanted
            })
            .await;
    };
    let mut holder = gateway.app.pool.acquire().await.unwrap();
    let mut holding = holder.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(77)")
        .execute(&mut *holding)
        .await
        .unwrap();
    gateway.upstream.is_to_say([
        Asks("Wait.", vec![("wait", json!({}))]),
        Says("Never said."),
    ]);
    let mut wanted = asked();
    wanted["stream"] = true.into();
    let mut events = EventReader::new(gateway.open(&wanted).await.into_body());
    while !events.next().await.unwrap().data.contains("Wait.") {}
    // The conversation goes on while somebody reads.
    tokio::select! {
        () = waiting(true) => {}
        event = events.next() => panic!("nothing is said meanwhile: {event:?}"),
    }
    drop(events);
    holding.rollback().await.unwrap();
    waiting(false).await;
    assert_eq!(gateway.used().await.len(), 1);
    assert_eq!(gateway.tokens().await, (10, 0));
    assert_eq!(gateway.upstream.journal.requests().len(), 1);
}
