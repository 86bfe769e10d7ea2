//! The text of `migrations/`: what the catalogue forgets.

use std::fs;

/// Each migration as (file name, text), in the order in which they are applied.
pub fn files() -> Vec<(String, String)> {
    let folder = tests::repository().join("migrations");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("migrations/ can be read")
        .map(|entry| entry.expect("an entry of migrations/").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| {
            let name = path
                .file_name()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned();
            (
                name,
                fs::read_to_string(&path).expect("a migration can be read"),
            )
        })
        .collect();
    files.sort();
    files
}

/// The text without comments, so that a rule is not met or broken by a sentence about it.
fn without_comments(sql: &str) -> String {
    let lines = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_definer_says_why() {
    let mut definers = 0;
    let mut silent = Vec::new();
    for (file, sql) in files() {
        let lines: Vec<&str> = sql.lines().collect();
        for (number, _) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.trim() == "security definer")
        {
            definers += 1;
            let header = lines[..number]
                .iter()
                .rev()
                .take_while(|line| !line.starts_with("create "));
            if !header
                .into_iter()
                .any(|line| line.trim().starts_with("-- Definer: "))
            {
                silent.push(format!("{file}:{}", number + 1));
            }
        }
        let written_otherwise = without_comments(&sql).matches("security definer").count()
            - lines
                .iter()
                .filter(|line| line.trim() == "security definer")
                .count();
        assert_eq!(
            written_otherwise, 0,
            "{file}: `security definer` stands on a line of its own, below its reason"
        );
    }
    assert!(
        definers > 10,
        "found {definers} definers: the search is broken"
    );
    assert!(
        silent.is_empty(),
        "no `-- Definer: ` comment says why it runs as its owner: {silent:#?}"
    );
}

#[test]
fn every_table_turns_row_level_security_on_where_it_is_made() {
    let mut tables = 0;
    let mut open = Vec::new();
    for (file, sql) in files() {
        let sql = without_comments(&sql);
        for rest in sql.split("create table ").skip(1) {
            let name = rest.split_whitespace().next().unwrap_or_default();
            // Those are Auth's, and Auth guards them.
            if name.starts_with("auth.") {
                continue;
            }
            tables += 1;
            // Followed by the end of the statement, or of the text that a statement is made of.
            if !sql.contains(&format!("alter table {name} enable row level security")) {
                open.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(tables > 10, "found {tables} tables: the search is broken");
    assert!(
        open.is_empty(),
        "row-level security is not turned on in the file that makes the table: {open:#?}"
    );
}

#[test]
fn only_policies_says_who_may_what() {
    for (file, sql) in files() {
        let sql = without_comments(&sql);
        assert!(
            !sql.contains("create policy"),
            "{file} makes a policy; those live in policies/"
        );
        // Auth's own grants, and edge-api's two roles, are no access to anything of ours.
        if file.ends_with("_auth_stand_in.sql") || file.ends_with("_roles_and_schemas.sql") {
            continue;
        }
        let grants: Vec<&str> = sql
            .lines()
            .filter(|line| line.trim_start().starts_with("grant "))
            .collect();
        assert!(
            grants.is_empty(),
            "{file} grants something; that is said in policies/: {grants:#?}"
        );
    }
}

#[test]
fn files_are_named_by_their_time() {
    let files = files();
    for (file, sql) in &files {
        let (time, name) = file.split_once('_').expect("<time>_<name>.sql");
        assert!(
            time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit()),
            "{file}: begins with 14 digits of UTC time"
        );
        assert!(!name.contains(' '), "{file}: a name without spaces");
        assert!(sql.starts_with("-- "), "{file} begins by saying what it is");
    }
    let mut times: Vec<_> = files.iter().map(|(file, _)| &file[..14]).collect();
    times.dedup();
    assert_eq!(times.len(), files.len(), "no two migrations share a time");
}
