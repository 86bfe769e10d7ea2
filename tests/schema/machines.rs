//! The state machines are drawn once, in `workers/README.md`, and are what the checks in SQL say.

use std::collections::BTreeSet;
use std::fs;

use sqlx::PgPool;

/// A Mermaid state diagram: <https://mermaid.js.org/syntax/stateDiagram.html>.
#[derive(Debug, Default)]
struct Machine {
    states: BTreeSet<String>,
    /// Those with an edge to the end, `[*]`.
    last: BTreeSet<String>,
    /// Those with an edge to another state.
    left: BTreeSet<String>,
}

impl Machine {
    fn parse(diagram: &str) -> Self {
        let mut machine = Self::default();
        for line in diagram.lines() {
            let Some((from, rest)) = line.split_once("-->") else {
                continue;
            };
            let to = rest.split(':').next().unwrap_or_default();
            let (from, to) = (from.trim(), to.trim());
            for state in [from, to] {
                if state != "[*]" {
                    machine.states.insert(state.to_owned());
                }
            }
            match (from, to) {
                ("[*]", _) => {}
                (_, "[*]") => drop(machine.last.insert(from.to_owned())),
                _ => drop(machine.left.insert(from.to_owned())),
            }
        }
        machine
    }
}

/// The machine in `workers/README.md` that has states of these names.
fn drawn_with(states: &[&str]) -> Machine {
    let path = tests::repository().join("workers/README.md");
    let text = fs::read_to_string(path).expect("workers/README.md");
    let mut machines: Vec<_> = text
        .split("```mermaid")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .filter(|block| block.trim_start().starts_with("stateDiagram"))
        .map(Machine::parse)
        .filter(|machine| states.iter().all(|state| machine.states.contains(*state)))
        .collect();
    assert_eq!(
        machines.len(),
        1,
        "workers/README.md draws one state diagram with the states {states:?}"
    );
    machines.remove(0)
}

/// Every text constant in what the catalogue prints of a check or a function.
fn constants(sql: &str) -> BTreeSet<String> {
    sql.split('\'')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

async fn check(pool: &PgPool, name: &str) -> BTreeSet<String> {
    let text: String = sqlx::query_scalar(
        "select pg_get_constraintdef(oid) from pg_catalog.pg_constraint where conname = $1",
    )
    .bind(name)
    .fetch_one(pool)
    .await
    .unwrap_or_else(|error| panic!("the check {name}: {error}"));
    constants(&text)
}

#[sqlx::test(migrations = "../migrations")]
async fn executions_are_as_drawn(pool: PgPool) {
    let drawn = drawn_with(&["queued", "running"]);
    assert_eq!(
        drawn.states,
        check(&pool, "execution_status_is_known").await,
        "the drawing (left) and the check (right)"
    );
    assert_eq!(
        drawn.last,
        check(&pool, "execution_is_finished_when_it_says_so").await,
        "what is drawn as an end and what finishes"
    );
    assert!(
        drawn.last.is_disjoint(&drawn.left),
        "nothing leaves an end: {drawn:?}"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn steps_are_as_drawn(pool: PgPool) {
    let drawn = drawn_with(&["skipped"]);
    assert_eq!(
        drawn.states,
        check(&pool, "step_status_is_known").await,
        "the drawing (left) and the check (right)"
    );
    let guard: String = sqlx::query_scalar("select substring(prosrc from 'old.status in \\(([^)]*)\\)') from pg_catalog.pg_proc where proname = 'keep_final_step'")
        .fetch_one(&pool)
        .await
        .expect("private.keep_final_step");
    assert_eq!(
        drawn.last,
        constants(&guard),
        "what is drawn as an end and what private.keep_final_step guards"
    );
    assert!(
        drawn.last.is_disjoint(&drawn.left),
        "nothing leaves an end: {drawn:?}"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn mails_are_as_drawn(pool: PgPool) {
    let drawn = drawn_with(&["queued", "sent"]);
    assert_eq!(
        drawn.states,
        check(&pool, "mail_status_is_known").await,
        "the drawing (left) and the check (right)"
    );
    assert_eq!(
        drawn.last,
        check(&pool, "mail_is_finished_when_it_says_so").await,
        "what is drawn as an end and what finishes"
    );
    assert!(
        drawn.last.is_disjoint(&drawn.left),
        "nothing leaves an end: {drawn:?}"
    );
}

#[test]
fn a_diagram_is_read() {
    let machine = Machine::parse(
        "stateDiagram-v2\n  [*] --> queued\n  queued --> running: claimed\n  running --> failed\n  failed --> [*]\n",
    );
    assert_eq!(
        machine
            .states
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        ["failed", "queued", "running"]
    );
    assert_eq!(
        machine.last.iter().map(String::as_str).collect::<Vec<_>>(),
        ["failed"]
    );
    assert_eq!(
        machine.left.iter().map(String::as_str).collect::<Vec<_>>(),
        ["queued", "running"]
    );
}
