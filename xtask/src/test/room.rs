//! Whether the disk has room for what the gates build. One that fills up ends in a linker's bus error, and in as many failed gates as come after it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::statvfs;

/// What a fresh clone's `target/` comes to in CI with all gates run: 5.1 GiB, and somewhat more. With line numbers and incremental builds it grows to several
/// times that, which nobody needs to begin with.
const BUILT: u64 = 6 << 30;
/// For clusters and their databases, and for what is built anew beside what is there.
const BESIDES: u64 = 2 << 30;

/// # Errors
/// There is less than is needed, or it cannot be told.
pub fn check() -> Result<()> {
    let program = std::env::current_exe().context("finding this program")?;
    // target/debug/xtask
    let target = program.ancestors().nth(2).unwrap_or(&program);
    let disk = statvfs(target)
        .with_context(|| format!("asking how full the disk of {} is", target.display()))?;
    let free = disk.f_bavail * disk.f_frsize;
    let needed = needed(size(target));
    ensure!(
        free >= needed,
        "what the tests build takes about {} more in {}, whose disk has {} left: make room there, or build elsewhere with CARGO_TARGET_DIR",
        gib(needed),
        target.display(),
        gib(free)
    );
    Ok(())
}

fn needed(there: u64) -> u64 {
    BUILT.saturating_sub(there) + BESIDES
}

/// Of all files below. What goes away meanwhile, as of another build, counts nothing.
fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_already_needs_no_room() {
        assert_eq!(needed(0), BUILT + BESIDES);
        assert_eq!(needed(BUILT / 2), BUILT / 2 + BESIDES);
        assert_eq!(needed(3 * BUILT), BESIDES);
    }

    #[test]
    fn files_count_in_all_directories_below() {
        let dir = std::env::temp_dir().join(format!("aias-room-{}", std::process::id()));
        fs::create_dir_all(dir.join("a/b")).unwrap();
        fs::write(dir.join("a/one"), [0; 100]).unwrap();
        fs::write(dir.join("a/b/two"), [0; 23]).unwrap();
        let counted = size(&dir);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!((counted, size(&dir)), (123, 0));
    }
}
