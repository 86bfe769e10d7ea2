//! A search for keys where none may stand: in everything that a stack's database holds, in what its services have written, and in the traces that
//! they have sent.

use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use anyhow::{Context as _, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::process::Command;

use super::collector::Collector;
use crate::command;
use crate::layout::Layout;
use crate::secrets::{SEEDED_PASSWORD, Secrets};
use crate::services::aimock;
use crate::setup;
use crate::stack::Stack;

/// Where a secret stands as it is, because signatures are made with it: migrations say why it is nowhere else.
const AS_IT_IS: [&str; 1] = ["private.webhooks"];

/// What Supabase Lite greets with, as Supabase's own command does. A log is for the owner of the stack alone, like the file with this key in it.
const GREETING: (&str, &str) = ("supabase-lite.log", "➜ Secret key ");

/// Shorter words stand in many a place by chance.
const SHORTEST: usize = 8;

/// The file in which suites enter what they use, one a line: `AIAS_E2E_KEYS_USED`.
pub fn used(layout: &Layout) -> PathBuf {
    layout.dir().join("keys-used")
}

/// Finds none of the keys, secrets and passwords of this stack and of the suites that ran on it; then one that is put into each kind of place, to
/// see that it would have been found. Answers how many were looked for.
pub async fn search(stack: &Stack, layout: &Layout, collector: &Collector) -> Result<u64> {
    let secrets = all(layout)?;
    // Traces of models were sent at all, by both.
    collector
        .wait_for(&["gen_ai.request.model", "edge-api", "worker"])
        .await?;
    let found = everywhere(stack, layout, collector, &secrets).await?;
    ensure!(
        found.is_empty(),
        "keys stand where none may:\n{}",
        found.join("\n")
    );

    let planted = plant(stack, layout, collector).await?;
    let found = everywhere(stack, layout, collector, &[planted]).await?;
    let places = [
        "public.planted_text",
        "public.planted_bytes",
        "planted.log",
        "the traces",
    ];
    for place in places {
        ensure!(
            found.iter().any(|line| line.contains(place)),
            "a key that was put into {place} was not found"
        );
    }
    ensure!(
        found.len() == places.len(),
        "a key that was put into four places was found elsewhere:\n{}",
        found.join("\n")
    );
    Ok(secrets.len() as u64)
}

fn all(layout: &Layout) -> Result<Vec<String>> {
    let stack = Secrets::load(layout)?.context("the stack has no secrets")?;
    let path = used(layout);
    let used = std::fs::read_to_string(&path)
        .with_context(|| format!("no suite has said which keys it used in {}", path.display()))?;
    let mut secrets = vec![
        stack.postgres_password,
        stack.edge_password,
        stack.worker_password,
        stack.lite_password,
        stack.jwt_secret,
        stack.secret_key,
        stack.master_key,
        SEEDED_PASSWORD.to_owned(),
    ];
    secrets.extend(aimock::keys());
    let own = secrets.len();
    secrets.extend(used.lines().map(str::to_owned));
    ensure!(secrets.len() > own, "no suite has used a key");
    secrets.sort();
    secrets.dedup();
    let short = secrets.iter().find(|secret| secret.len() < SHORTEST);
    ensure!(
        short.is_none(),
        "a key is too short to be searched for: {short:?}"
    );
    Ok(secrets)
}

/// One line for each find, without what was found.
async fn everywhere(
    stack: &Stack,
    layout: &Layout,
    collector: &Collector,
    secrets: &[String],
) -> Result<Vec<String>> {
    let needles = Needles::of(secrets)?;
    let bindir = setup::installed(None)?.bindir;
    let owner = Secrets::load(layout)?.context("the stack has no secrets")?;
    let dump = command::output(
        Command::new(bindir.join("pg_dumpall"))
            .arg("--dbname")
            .arg(&stack.database_url)
            // It does not hand the address's on to where it connects next.
            .env("PGPASSWORD", owner.postgres_password),
    )
    .await
    .context("dumping the cluster")?;
    let mut found = needles.in_dump(&dump);
    for (secret, _) in needles.in_text(&collector.received()) {
        found.push(format!("{} in the traces", hint(secret)));
    }
    for folder in ["log", "spool"] {
        for file in files(&layout.dir().join(folder))? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let mut text = std::fs::read(&file)?;
            if name == GREETING.0 {
                text = without_lines(&text, GREETING.1);
            }
            for (secret, line) in needles.in_text(&text) {
                found.push(format!("{} in line {line} of {name}", hint(secret)));
            }
        }
    }
    Ok(found)
}

fn without_lines(text: &[u8], with: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    // Emptied and not taken out, so that the others keep their numbers.
    let lines = text
        .split('\n')
        .map(|line| if line.contains(with) { "" } else { line });
    lines.collect::<Vec<_>>().join("\n").into_bytes()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    Ok(files.filter(|path| path.is_file()).collect())
}

async fn plant(stack: &Stack, layout: &Layout, collector: &Collector) -> Result<String> {
    let word = format!("planted-{:032x}", rand::random::<u128>());
    let pool = sqlx::PgPool::connect(&stack.database_url).await?;
    for statement in [
        "create table public.planted_text as select jsonb_build_object('key', 'Bearer ' || $1) as said",
        "create table public.planted_bytes as select convert_to('x' || $1, 'UTF8') as said",
    ] {
        // The parameter of such a statement has to be written out.
        let statement = statement.replace("$1", &format!("'{word}'"));
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&pool)
            .await?;
    }
    pool.close().await;
    std::fs::write(layout.log("planted"), format!("calling with {word}\n"))?;
    reqwest::Client::new()
        .post(format!("{}/v1/traces", collector.address))
        .body(format!("\u{1}\u{12}{word}"))
        .send()
        .await?
        .error_for_status()?;
    Ok(word)
}

/// Enough to know it by.
fn hint(secret: &str) -> String {
    let end: String = secret.chars().rev().take(4).collect();
    format!("…{}", end.chars().rev().collect::<String>())
}

/// Secrets in all the forms in which they would be written.
struct Needles<'a> {
    automaton: AhoCorasick,
    /// Of each form.
    secrets: Vec<&'a str>,
}

impl<'a> Needles<'a> {
    fn of(secrets: &'a [String]) -> Result<Self> {
        let all = secrets
            .iter()
            .flat_map(|secret| forms(secret).into_iter().map(move |form| (form, &**secret)));
        let (forms, secrets): (Vec<String>, Vec<&str>) = all.unzip();
        let automaton = AhoCorasick::new(forms)?;
        Ok(Self { automaton, secrets })
    }

    /// Each with the number of its line.
    fn in_text(&self, text: &[u8]) -> Vec<(&'a str, usize)> {
        let mut found: Vec<(&str, usize)> = self
            .automaton
            .find_iter(text)
            .map(|at| {
                let lines = text[..at.start()].split(|byte| *byte == b'\n').count();
                (self.secrets[at.pattern().as_usize()], lines)
            })
            .collect();
        found.dedup();
        found
    }

    /// Each with its table, but for those that may stand there.
    fn in_dump(&self, dump: &str) -> Vec<String> {
        let mut found = Vec::new();
        for at in self.automaton.find_iter(dump) {
            let before = &dump[..at.start()];
            let copied = before
                .rfind("\nCOPY ")
                .filter(|start| !before[*start..].contains("\n\\.\n"));
            let place = copied.map_or("a definition", |start| {
                before[start + "\nCOPY ".len()..]
                    .split(' ')
                    .next()
                    .unwrap_or_default()
            });
            if !AS_IT_IS.contains(&place) {
                let secret = hint(self.secrets[at.pattern().as_usize()]);
                found.push(format!("{secret} in {place}"));
            }
        }
        found.dedup();
        found
    }
}

/// As it is, as Postgres shows bytes, and in base64, where its place among what stands before it shifts the letters.
fn forms(secret: &str) -> Vec<String> {
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.to_owned(), hex];
    for shift in 0..3 {
        let mut bytes = vec![0; shift];
        bytes.extend_from_slice(secret.as_bytes());
        let whole = bytes.len() * 8 / 6;
        // The letters at the ends hold bits of what stands beside it.
        let written = STANDARD.encode(&bytes);
        forms.push(written[(shift * 8).div_ceil(6)..whole].to_owned());
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-live-0123456789abcdef";

    fn needles(secrets: &[String]) -> Needles<'_> {
        Needles::of(secrets).unwrap()
    }

    #[test]
    fn it_is_found_in_every_form() {
        let secrets = [KEY.to_owned()];
        let needles = needles(&secrets);
        for before in ["", "a", "ab", "abc"] {
            let said = format!("{before}{KEY} and more");
            let hex: String = said.bytes().map(|byte| format!("{byte:02x}")).collect();
            for text in [said.clone(), hex, STANDARD.encode(&said)] {
                let found = needles.in_text(format!("first\n{text}").as_bytes());
                assert_eq!(found, [(KEY, 2)], "{text}");
            }
        }
        assert_eq!(needles.in_text(&KEY.as_bytes()[1..]), []);
    }

    #[test]
    fn a_table_is_named_and_one_may_hold_secrets() {
        let secrets = [KEY.to_owned()];
        let dump = format!(
            "create function x;\n\nCOPY public.users (id, name) FROM stdin;\n1\t{KEY}\n\\.\n\n\
             COPY private.webhooks (signing_secret) FROM stdin;\n{KEY}\n\\.\n\n-- {KEY}\n"
        );
        assert_eq!(
            needles(&secrets).in_dump(&dump),
            ["…cdef in public.users", "…cdef in a definition"]
        );
    }
}
