use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The Postgres majors that the extension compiles for; each is a feature `pgNN` of the crate `aias`.
const SUPPORTED: std::ops::RangeInclusive<u16> = 15..=18;

/// One Postgres installation, as its own `pg_config` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgConfig {
    /// The `pg_config` program itself, absolute.
    pub path: PathBuf,
    /// For example `PostgreSQL 18.6`.
    pub version: String,
    /// For example 18.
    pub major: u16,
    /// Where `postgres`, `initdb` and `psql` are.
    pub bindir: PathBuf,
    /// Where the server looks for `$libdir`.
    pub pkglibdir: PathBuf,
    /// Its `extension/` is where control files and install scripts go.
    pub sharedir: PathBuf,
}

impl PgConfig {
    /// Asks `pg_config`. Fails when it cannot be run, or is of a Postgres that `aias` does not support.
    pub fn query(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path = path
            .canonicalize()
            .with_context(|| format!("no pg_config at {}", path.display()))?;
        let version = ask(&path, "--version")?;
        let major = major_of(&version)
            .with_context(|| format!("{} says its version is {version:?}", path.display()))?;
        if !SUPPORTED.contains(&major) {
            bail!(
                "{} is Postgres {major}; the extension supports {} to {}",
                path.display(),
                SUPPORTED.start(),
                SUPPORTED.end()
            );
        }
        Ok(Self {
            major,
            bindir: ask(&path, "--bindir")?.into(),
            pkglibdir: ask(&path, "--pkglibdir")?.into(),
            sharedir: ask(&path, "--sharedir")?.into(),
            version,
            path,
        })
    }

    /// The cargo feature that binds to this server, for example `pg18`.
    pub fn feature(&self) -> String {
        format!("pg{}", self.major)
    }

    /// Where control files and install scripts are found by `create extension`.
    pub fn extension_dir(&self) -> PathBuf {
        self.sharedir.join("extension")
    }
}

fn ask(path: &Path, question: &str) -> Result<String> {
    let output = Command::new(path)
        .arg(question)
        .output()
        .with_context(|| format!("could not run {}", path.display()))?;
    if !output.status.success() {
        bail!("{} {question} failed: {}", path.display(), output.status);
    }
    let answer = String::from_utf8(output.stdout)
        .with_context(|| format!("{} {question} did not answer in UTF-8", path.display()))?;
    Ok(answer.trim().to_owned())
}

/// `PostgreSQL 15.20 (Debian 15.20-0+deb12u1)` is 15, and so is `PostgreSQL 15beta1`.
fn major_of(version: &str) -> Option<u16> {
    let number = version.split_whitespace().nth(1)?;
    let digits = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_of;

    #[test]
    fn a_major_version_is_read_from_any_build_of_postgres() {
        assert_eq!(major_of("PostgreSQL 18.6"), Some(18));
        assert_eq!(
            major_of("PostgreSQL 15.20 (Debian 15.20-0+deb12u1)"),
            Some(15)
        );
        assert_eq!(major_of("PostgreSQL 19devel"), Some(19));
        assert_eq!(major_of("nonsense"), None);
    }
}
