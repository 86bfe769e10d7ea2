//! What `\dx+ aias` shows and what the README says are the same.

use std::collections::BTreeSet;

use sqlx::{Executor, Row};
use support::Database;

const README: &str = include_str!("../README.md");

/// Every `aias.name` that the README mentions.
fn mentioned() -> BTreeSet<String> {
    let words = README.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
    words
        .map(|word| word.trim_end_matches('.'))
        .filter_map(|word| word.strip_prefix("aias."))
        .filter(|name| !name.is_empty() && !name.contains('.') && *name != "control")
        .map(str::to_owned)
        .collect()
}

async fn names(database: &Database, query: &'static str) -> BTreeSet<String> {
    let mut connection = database.connect().await;
    let rows = connection.fetch_all(query).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

const FUNCTIONS: &str = "
    select p.proname::text from pg_depend d join pg_proc p on p.oid = d.objid
     where d.refclassid = 'pg_extension'::regclass and d.classid = 'pg_proc'::regclass and d.deptype = 'e'
       and d.refobjid = (select oid from pg_extension where extname = 'aias')";

const TABLES: &str = "
    select c.relname::text from pg_depend d join pg_class c on c.oid = d.objid
     where d.refclassid = 'pg_extension'::regclass and d.classid = 'pg_class'::regclass and d.deptype = 'e'
       and d.refobjid = (select oid from pg_extension where extname = 'aias') and c.relkind = 'r'";

const SETTINGS: &str = "select substr(name, 6) from pg_settings where name ~ '^aias\\.'";

#[tokio::test]
async fn the_readme_names_every_function_and_setting_and_no_other() {
    let database = Database::create().await;
    let functions = names(&database, FUNCTIONS).await;
    let tables = names(&database, TABLES).await;
    let settings = names(&database, SETTINGS).await;
    assert!(functions.len() > 20 && tables.len() >= 5 && settings.len() == 3);

    let mentioned = mentioned();
    let wanted: BTreeSet<String> = functions.union(&settings).cloned().collect();
    let missing: Vec<_> = wanted.difference(&mentioned).collect();
    assert!(missing.is_empty(), "the README says nothing of {missing:?}");
    let unknown: Vec<_> = mentioned
        .iter()
        .filter(|name| !wanted.contains(*name) && !tables.contains(*name))
        .collect();
    assert!(
        unknown.is_empty(),
        "the README names what is not in the extension: {unknown:?}"
    );
    database.remove().await;
}

#[tokio::test]
async fn every_function_and_table_says_what_it_is_for() {
    let database = Database::create().await;
    let without = names(
        &database,
        "select pg_describe_object(d.classid, d.objid, 0) from pg_depend d
          where d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
            and d.refobjid = (select oid from pg_extension where extname = 'aias')
            and (d.classid = 'pg_proc'::regclass
                 or exists (select from pg_class c where d.classid = 'pg_class'::regclass and c.oid = d.objid and c.relkind = 'r'))
            and coalesce(obj_description(d.objid, d.classid::regclass::name), '') = ''",
    )
    .await;
    assert!(without.is_empty(), "without a comment: {without:?}");
    database.remove().await;
}
