//! Where things lie.
//!
//! What is brought once for a clone (Postgres, npm packages) belongs to the clone. What a stack writes belongs to the stack's own
//! directory, so that several stacks live side by side.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of this repository.
///
/// Cargo tells where the package lies that it runs. The place that was compiled in comes second: clones that share a target directory
/// overwrite each other's program.
pub fn root() -> PathBuf {
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = told.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    manifest.parent().unwrap_or(&manifest).to_path_buf()
}

/// What belongs to the clone: `.aias/` at its root, whatever directory a stack uses.
pub fn tools() -> PathBuf {
    root().join(".aias")
}

/// The directory of one stack.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Makes the directory and makes it absolute. Other users may pass through it, because Postgres may run as one of them; files
    /// with secrets are closed one by one.
    pub fn new(dir: &Path) -> Result<Self> {
        make_dir(dir)?;
        let dir = dir
            .canonicalize()
            .with_context(|| format!("finding {}", dir.display()))?;
        Ok(Self { dir })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// One log file a service.
    pub fn log(&self, service: &str) -> PathBuf {
        self.dir.join("log").join(format!("{service}.log"))
    }

    /// One file for each process that runs.
    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Passwords and keys, readable by the owner only.
    pub fn secrets(&self) -> PathBuf {
        self.dir.join("secrets.json")
    }

    /// What runs, and how to start each part of it again. Holds secrets.
    pub fn stack(&self) -> PathBuf {
        self.dir.join("stack.json")
    }

    /// What a frontend needs to reach the stack, for `node --env-file`.
    pub fn env(&self) -> PathBuf {
        self.dir.join("env")
    }

    /// Held while an `up` watches over the stack.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("up.lock")
    }

    /// The cluster's files, or a link to them when they had to go elsewhere.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
}

/// Makes a directory that every user may enter and list.
pub fn make_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if !dir.is_dir() {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("making the directory {}", dir.display()))?;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))
            .with_context(|| format!("opening the directory {}", dir.display()))?;
    }
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, content: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    let draft = path.with_extension("draft");
    // A draft that a killed run left behind may have other permissions.
    if draft.exists() {
        std::fs::remove_file(&draft)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .with_context(|| format!("writing {}", draft.display()))?;
    file.write_all(content.as_bytes())?;
    std::fs::rename(&draft, path).with_context(|| format!("writing {}", path.display()))
}
