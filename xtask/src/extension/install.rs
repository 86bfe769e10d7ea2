use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Built, PgConfig, check_committed_sql};

/// What [`install`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The library, the control file and the install script, where the server finds them.
    pub files: [PathBuf; 3],
    /// Whether any of them is new or different. Sessions that have loaded the old library keep it until they end.
    pub changed: bool,
}

/// Copies the extension into the server's own directories.
///
/// A file that already has the same bytes is left alone. One that differs is replaced by a rename: a server that is running has the
/// old library mapped, and writing into that file would crash it.
pub fn install(built: &Built, pg: &PgConfig) -> Result<Installed> {
    check_committed_sql(built)?;

    let extension_dir = pg.extension_dir();
    let library = pg
        .pkglibdir
        .join(format!("aias{}", std::env::consts::DLL_SUFFIX));
    let control = extension_dir.join("aias.control");
    let sql = extension_dir.join(format!("aias--{}.sql", built.version));

    let mut changed = false;
    // The script before the control file that names it, and the library before both.
    for (from, to) in [
        (&built.library, &library),
        (&built.sql, &sql),
        (&built.control, &control),
    ] {
        changed |= replace(from, to)
            .with_context(|| format!("could not install {} as {}", from.display(), to.display()))?;
    }
    Ok(Installed {
        files: [library, control, sql],
        changed,
    })
}

/// Says whether `to` was not yet the same as `from`.
fn replace(from: &Path, to: &Path) -> Result<bool> {
    let bytes = fs::read(from)?;
    match fs::read(to) {
        Ok(installed) if installed == bytes => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let name = to
        .file_name()
        .and_then(|name| name.to_str())
        .context("the file has no name")?;
    // Beside its destination, since a rename does not cross file systems; named for this process, since two may install at once.
    let temporary = to.with_file_name(format!(".{name}.{}", std::process::id()));
    fs::write(&temporary, &bytes)?;
    set_readable(&temporary)?;
    fs::rename(&temporary, to)
        .inspect_err(|_| _ = fs::remove_file(&temporary))
        .map(|()| true)
        .map_err(Into::into)
}

/// The server runs as another user than the one who installs.
#[cfg(unix)]
fn set_readable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o755),
    )?)
}

#[cfg(not(unix))]
fn set_readable(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn a_file_is_replaced_only_when_it_differs() {
        let dir = std::env::temp_dir().join(format!("aias-install-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (from, to) = (dir.join("from"), dir.join("to"));

        std::fs::write(&from, "one").unwrap();
        assert!(replace(&from, &to).unwrap());
        assert!(!replace(&from, &to).unwrap());
        std::fs::write(&from, "two").unwrap();
        assert!(replace(&from, &to).unwrap());
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "two");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2);

        std::fs::remove_dir_all(&dir).unwrap();
    }
}
