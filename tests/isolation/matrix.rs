//! The isolation matrix: every exposed table and view, every player, every verb, on rows of the player's own tenant and of another one.
//!
//! What is expected is what the head of policies/<table>.sql says. Each cell is played as granted, and again with whole tables granted,
//! as some services do: the walls must hold without the grants.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use tests::world::{self, ALPHA, BETA, TENANTS};
use uuid::Uuid;

use crate::cells::Cell;
use crate::expected::{VERBS, Verb};
use crate::headers::Matrix;
use crate::held::{ONE_FACTOR, PERMISSIONS, READ_ONLY, ROLES, of_role};
use crate::players::{Player, players};
use crate::stage::Stage;
use crate::tables::{Table, copy_of, exposed};

const EVERYTHING: &str = "grant all on all tables in schema public to anon, authenticated";

#[sqlx::test(migrations = "../migrations")]
async fn every_table_lets_everybody_do_what_its_policies_file_says(pool: PgPool) {
    tests::policies::apply(&pool).await.expect("policies apply");
    world::apply(&pool).await.expect("the world is made");
    let mut transaction = pool.begin().await.expect("a transaction");
    let mut stage = Stage::new(&mut transaction).await;
    let game = Game::begin(&mut stage).await;

    let mut open = BTreeSet::new();
    let mut wrong = Vec::new();
    for granted in [false, true] {
        if granted {
            sqlx::query(EVERYTHING)
                .execute(stage.connection().await)
                .await
                .expect("a grant");
        }
        for player in &game.players {
            for (cell, is_open, complaints) in game.play(&mut stage, player).await {
                if is_open {
                    open.insert(cell.clone());
                }
                let how = if granted {
                    " (whole tables granted)"
                } else {
                    ""
                };
                wrong.extend(
                    complaints
                        .into_iter()
                        .map(|complaint| format!("{cell}{how}: {complaint}")),
                );
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cells are otherwise than their policies file says:\n{}",
        wrong.len(),
        wrong.join("\n")
    );

    let operations = VERBS.len() * 2;
    let cells = game.tables.len() * game.players.len() * operations;
    say(&format!(
        "isolation matrix: {} tables x {} actors x {operations} operations = {cells} cells: {} denied, {} allowed",
        game.tables.len(),
        game.players.len(),
        cells - open.len(),
        open.len()
    ));
}

#[expect(
    clippy::print_stdout,
    reason = "the size of the matrix is what `cargo xtask test` shows"
)]
fn say(line: &str) {
    println!("{line}");
}

struct Game {
    tables: Vec<Table>,
    matrices: BTreeMap<String, Matrix>,
    players: Vec<Player>,
    /// The members of each tenant.
    people: BTreeMap<Uuid, Vec<Uuid>>,
    /// For each table and tenant a row, and one that could stand beside it.
    rows: BTreeMap<(String, Uuid), (Value, Value)>,
}

impl Game {
    async fn begin(stage: &mut Stage<'_>) -> Self {
        let connection = stage.connection().await;
        let tables = exposed(connection).await;
        let permissions = permissions(connection).await;
        let files = tests::policies::files();
        let mut matrices = BTreeMap::new();
        for table in &tables {
            let file = files.iter().find(|(name, _)| *name == table.name);
            let Some((_, sql)) = file else {
                panic!(
                    "public.{} has no file policies/{}.sql",
                    table.name, table.name
                );
            };
            let matrix = Matrix::parse(&table.name, sql, &permissions)
                .unwrap_or_else(|error| panic!("policies/{}.sql: {error}", table.name));
            matrices.insert(table.name.clone(), matrix);
        }
        let mut people = BTreeMap::new();
        for tenant in TENANTS {
            let members: Vec<Uuid> =
                sqlx::query_scalar("select user_id from public.memberships where tenant_id = $1")
                    .bind(tenant.id())
                    .fetch_all(&mut *connection)
                    .await
                    .expect("members");
            people.insert(tenant.id(), members);
        }
        let mut game = Self {
            tables,
            matrices,
            players: players(),
            people,
            rows: BTreeMap::new(),
        };
        game.find_rows(stage).await;
        game
    }

    async fn find_rows(&mut self, stage: &mut Stage<'_>) {
        for table in &self.tables {
            for tenant in TENANTS {
                let scope = table.rows_of(tenant, &self.people[&tenant.id()]);
                let condition = format!("{scope} and {}", table.written());
                let row = stage.a_row(&table.name, &condition).await;
                let copy = copy_of(stage.connection().await, table, &row).await;
                self.rows
                    .insert((table.name.clone(), tenant.id()), (row, copy));
            }
        }
    }

    /// Every cell of a player: its name, whether it is open, and what went wrong.
    async fn play(
        &self,
        stage: &mut Stage<'_>,
        player: &Player,
    ) -> Vec<(String, bool, Vec<String>)> {
        stage.give_to(player).await;
        let foreign = if player.home == BETA { ALPHA } else { BETA };
        let mut played = Vec::new();
        for table in &self.tables {
            let matrix = &self.matrices[&table.name];
            let [select, insert, update, delete] =
                [Verb::Select, Verb::Insert, Verb::Update, Verb::Delete]
                    .map(|verb| matrix.reach(table, player, verb));
            for tenant in [player.home, foreign] {
                let is_foreign = tenant == foreign;
                let mut people = self.people[&tenant.id()].clone();
                if !is_foreign {
                    people.extend(player.person());
                }
                let (row, copy) = &self.rows[&(table.name.clone(), tenant.id())];
                let cell = Cell {
                    table,
                    tenant,
                    people: &people,
                    is_foreign,
                    select: &select,
                    insert: &insert,
                    update: &update,
                    delete: &delete,
                    row,
                    copy,
                };
                for verb in VERBS {
                    let (is_open, wrong) = match verb {
                        Verb::Select => cell.select(stage).await,
                        Verb::Insert => cell.insert(stage).await,
                        Verb::Update => cell.update(stage).await,
                        Verb::Delete => cell.delete(stage).await,
                        Verb::Upsert => cell.upsert(stage).await,
                    };
                    let name = format!(
                        "{}: {verb:?} {} of {}",
                        player.name, table.name, tenant.name
                    );
                    played.push((name, is_open, wrong));
                }
            }
        }
        played
    }
}

/// What the table says, which must be what the players' rules were written for.
async fn permissions(connection: &mut PgConnection) -> BTreeSet<String> {
    let keys: Vec<String> = sqlx::query_scalar("select key from public.permissions")
        .fetch_all(&mut *connection)
        .await
        .expect("permissions");
    let keys: BTreeSet<String> = keys.into_iter().collect();
    let known: BTreeSet<String> = PERMISSIONS.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(
        keys, known,
        "public.permissions (left) and tests/isolation/held.rs (right)"
    );

    for (flag, known) in [
        ("allowed_when_suspended", &READ_ONLY[..]),
        ("allowed_without_second_factor", &ONE_FACTOR),
    ] {
        let sql = format!("select key from public.permissions where {flag} order by bit");
        let flagged: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut *connection)
            .await
            .expect("permissions");
        assert_eq!(
            flagged, known,
            "{flag} (left) and tests/isolation/held.rs (right)"
        );
    }
    for (role, thing) in ROLES {
        let mut allows: Vec<String> = sqlx::query_scalar(
            "select unnest(permissions) from public.roles where tenant_id = $1 and key = $2",
        )
        .bind(ALPHA.id())
        .bind(role)
        .fetch_all(&mut *connection)
        .await
        .expect("a role");
        allows.sort();
        let mut known = of_role(thing).to_vec();
        known.sort_unstable();
        assert_eq!(
            allows, known,
            "the role {role} (left) and tests/isolation/held.rs (right)"
        );
    }
    keys
}
