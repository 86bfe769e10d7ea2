//! Every RPC is tried by nobody, by a stranger, by a viewer and by the owner; and a row of another tenant looks to each of them as one that
//! is nowhere.

use std::collections::BTreeSet;

use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};
use tests::actor::Actor;
use tests::world::{self, ALPHA, BETA, Thing};

use crate::rpc::{Answer, Rpc, Whose};
use crate::rpc_table::rpcs;

/// Exposed and not tried. This list can only shrink.
const UNTRIED: [&str; 0] = [];

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Worked,
    /// SQLSTATE, message and detail: of a refusal, its body and its status with the headers.
    Threw(String, String, String),
}

impl Outcome {
    fn is(&self, answer: Answer) -> bool {
        match (self, answer) {
            (Self::Worked, Answer::Works) => true,
            (Self::Threw(state, body, status), Answer::Refused(wanted, code)) => {
                let read = |text: &str| {
                    serde_json::from_str::<serde_json::Value>(text).unwrap_or_default()
                };
                state == "PGRST" && read(status)["status"] == wanted && read(body)["code"] == code
            }
            _ => false,
        }
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn every_rpc_is_in_the_table(pool: PgPool) {
    let exposed: Vec<String> = sqlx::query_scalar(
        "select format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)) from pg_catalog.pg_proc p
          where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
            and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue answers");
    let exposed: BTreeSet<&str> = exposed.iter().map(String::as_str).collect();
    let tried: BTreeSet<&str> = rpcs().map(|rpc| rpc.signature).chain(UNTRIED).collect();
    assert_eq!(
        exposed, tried,
        "what is exposed (left) and what is tried (right)"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn every_rpc_answers_each_actor_as_the_table_says(pool: PgPool) {
    let mut connection = a_world(&pool).await;
    let mut wrong = Vec::new();
    for rpc in rpcs() {
        let call = rpc.call(|_| Whose::Of(ALPHA));
        let anybody = attempt(&mut connection, &Actor::Anonymous, rpc, &call).await;
        // At the door, not somewhere behind it.
        let closed = format!("permission denied for function {}", rpc.name());
        if !matches!(&anybody, Outcome::Threw(state, message, _) if state == "42501" && *message == closed)
        {
            wrong.push(format!("anon: {call}: {anybody:?}"));
        }
        for (name, actor, answer) in [
            ("stranger", world::stranger(), rpc.stranger),
            ("viewer", ALPHA.person(Thing::Viewer), rpc.viewer),
            ("owner", ALPHA.person(Thing::Owner), rpc.owner),
        ] {
            let outcome = attempt(&mut connection, &actor, rpc, &call).await;
            if !outcome.is(answer) {
                wrong.push(format!("{name}: {call}: {outcome:?} and not {answer:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_row_of_another_tenant_looks_like_one_that_is_nowhere(pool: PgPool) {
    let mut connection = a_world(&pool).await;
    let mut wrong = Vec::new();
    let mut compared = 0;
    for rpc in rpcs() {
        // Each id by itself: the others name rows of the caller's own tenant.
        for id in rpc.ids().filter(|id| *id != "token") {
            for (name, actor) in [
                ("stranger", world::stranger()),
                ("viewer", ALPHA.person(Thing::Viewer)),
                ("owner", ALPHA.person(Thing::Owner)),
                ("key", ALPHA.key(Thing::KeyWithAllScopes)),
            ] {
                let mut outcomes = Vec::new();
                for whose in [Whose::Of(BETA), Whose::Nobodys] {
                    let call = rpc.call(|name| if name == id { whose } else { Whose::Of(ALPHA) });
                    outcomes.push(attempt(&mut connection, &actor, rpc, &call).await);
                }
                compared += 1;
                if outcomes[0] != outcomes[1] || outcomes[0] == Outcome::Worked {
                    wrong.push(format!(
                        "{name}: {} with another {id}: {outcomes:#?}",
                        rpc.name()
                    ));
                }
            }
        }
    }
    assert!(
        compared >= 4 * 20,
        "compared {compared}: the search is broken"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[sqlx::test(migrations = "../migrations")]
async fn the_one_who_was_invited_is_let_in_by_the_token(pool: PgPool) {
    let mut connection = a_world(&pool).await;
    for rpc in rpcs().filter(|rpc| rpc.ids().any(|id| id == "token")) {
        let call = rpc.call(|_| Whose::Of(ALPHA));
        let invited = attempt(&mut connection, &ALPHA.person(Thing::Former), rpc, &call).await;
        assert_eq!(invited, Outcome::Worked, "{call}");
        let call = rpc.call(|_| Whose::Nobodys);
        let invited = attempt(&mut connection, &ALPHA.person(Thing::Former), rpc, &call).await;
        assert!(
            invited.is(Answer::Refused(404, "not_found")),
            "{call}: {invited:?}"
        );
    }
}

/// A connection of the superuser, in a transaction.
async fn a_world(pool: &PgPool) -> sqlx::Transaction<'static, sqlx::Postgres> {
    tests::policies::apply(pool).await.expect("policies apply");
    world::apply(pool).await.expect("the world is made");
    pool.begin().await.expect("a transaction")
}

/// Calls it as somebody, and takes everything back.
async fn attempt(connection: &mut PgConnection, actor: &Actor, rpc: &Rpc, call: &str) -> Outcome {
    let given = format!("savepoint attempt; {}", rpc.given);
    execute(connection, &given).await.expect("what is given");
    actor.act(connection).await.expect("claims and a role");
    let outcome = match execute(connection, call).await {
        Ok(()) => Outcome::Worked,
        Err(error) => {
            let error = error
                .as_database_error()
                .expect("an answer of the database");
            let error: &PgDatabaseError = error.downcast_ref();
            Outcome::Threw(
                error.code().to_owned(),
                error.message().to_owned(),
                error.detail().unwrap_or_default().to_owned(),
            )
        }
    };
    execute(connection, "rollback to savepoint attempt")
        .await
        .expect("everything back");
    outcome
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .map(drop)
}
