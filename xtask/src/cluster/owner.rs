//! Who runs Postgres, and where that user can read and write.
//!
//! Postgres refuses to run as root. Then it runs as an unprivileged user, who must be able to reach its programs and its files: a clone
//! under `/root` or another closed directory is out of reach, so these go to `/var/lib/aias` and a link to them stays in their place. Data that
//! tests throw away goes to memory in the same way.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::layout::make_dir;

/// A user and its group.
pub type Owner = (u32, u32);

/// The user to run Postgres as; None when that is whoever runs this.
pub fn owner() -> Result<Option<Owner>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    for wanted in ["postgres", "nobody"] {
        if let Some(owner) = users.lines().find_map(|line| parse_user(line, wanted)) {
            return Ok(Some(owner));
        }
    }
    bail!(
        "Postgres does not run as root, and there is no user `postgres` or `nobody` to run it as"
    );
}

/// The user to run Postgres as on this data: whoever made it, since Postgres refuses data of somebody else. The users of a system
/// change; installing Debian's Postgres makes one called `postgres`.
pub fn owner_of(data: &Path) -> Result<Option<Owner>> {
    let Ok(made) = data.metadata() else {
        return owner();
    };
    let us = rustix::process::geteuid();
    if us.is_root() && made.uid() != 0 {
        return Ok(Some((made.uid(), made.gid())));
    }
    ensure!(
        us.is_root() || made.uid() == us.as_raw(),
        "the cluster in {} belongs to another user (uid {}); use another --dir, or run this as that user",
        data.display(),
        made.uid()
    );
    owner()
}

/// A line of /etc/passwd: name, password, user, group, and more.
fn parse_user(line: &str, wanted: &str) -> Option<Owner> {
    let mut fields = line.split(':');
    if fields.next()? != wanted {
        return None;
    }
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then_some((uid, gid))
}

/// Where something that Postgres's user must reach lies: `dir/name`, unless that user cannot come there.
pub fn readable_place(dir: &Path, name: &str) -> PathBuf {
    let wanted = dir.join(name);
    if let Ok(elsewhere) = std::fs::read_link(&wanted) {
        return elsewhere;
    }
    match owner() {
        Ok(Some(owner)) if !can_reach(dir, owner) => elsewhere(dir).join(name),
        _ => wanted,
    }
}

/// Leaves a link in `dir` to what had to go elsewhere.
pub fn link_to_place(dir: &Path, name: &str, place: &Path) -> Result<()> {
    let link = dir.join(name);
    if link != place && std::fs::read_link(&link).ok().as_deref() != Some(place) {
        make_dir(dir)?;
        std::os::unix::fs::symlink(place, &link)
            .with_context(|| format!("linking {}", link.display()))?;
    }
    Ok(())
}

/// Puts what will be `dir/name` into memory, where there is plenty of that: a database is a thousand files, and tests make one each and
/// throw it away. On ext4 without a journal two fifths of the processors' time went into that, in the kernel's search for inodes that were not
/// freed lately (`recently_deleted` in fs/ext4/ialloc.c).
pub fn keep_in_memory(dir: &Path, name: &str) -> Result<()> {
    const MEMORY: &str = "/dev/shm";
    const ENOUGH: u64 = 6 << 30;
    let Ok(state) = rustix::fs::statvfs(MEMORY) else {
        return Ok(());
    };
    if state.f_bavail * state.f_frsize < ENOUGH {
        return Ok(());
    }
    let us = rustix::process::geteuid();
    let ours = Path::new(MEMORY).join(format!("aias-{}", us.as_raw()));
    // Everybody may write there, so somebody may have put something else in its place.
    let is_ours = make_dir(&ours).is_ok()
        && std::fs::symlink_metadata(&ours).is_ok_and(|it| it.is_dir() && it.uid() == us.as_raw());
    if !is_ours {
        return Ok(());
    }
    let place = stand_in(&ours, dir).join(name);
    // Of a run that was killed.
    if place.is_dir() {
        std::fs::remove_dir_all(&place).with_context(|| format!("removing {}", place.display()))?;
    }
    link_to_place(dir, name, &place)
}

/// Where things lie that Postgres's user could not reach in `dir`.
fn elsewhere(dir: &Path) -> PathBuf {
    stand_in(Path::new("/var/lib/aias"), dir)
}

/// One directory for each directory that it stands in for.
fn stand_in(base: &Path, dir: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    base.join(format!("{:016x}", hasher.finish()))
}

/// Whether a user may pass through every directory on the way. What is not there yet will be made open.
fn can_reach(dir: &Path, (uid, gid): Owner) -> bool {
    let resolved = dir.canonicalize();
    let dir = resolved.as_deref().unwrap_or(dir);
    dir.ancestors()
        .filter_map(|ancestor| ancestor.metadata().ok())
        .all(|directory| {
            let shift = match () {
                () if directory.uid() == uid => 6,
                () if directory.gid() == gid => 3,
                () => 0,
            };
            (directory.mode() >> shift) & 1 == 1
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_closed_directory_on_the_way_is_out_of_reach() {
        let base = std::env::temp_dir().join(format!("aias-owner-{}", std::process::id()));
        let inner = base.join("closed/inner");
        std::fs::create_dir_all(&inner).unwrap();
        let mode = |mode| {
            std::fs::set_permissions(base.join("closed"), std::fs::Permissions::from_mode(mode))
                .unwrap()
        };
        mode(0o700);
        assert!(!can_reach(&inner, (65534, 65534)));
        mode(0o711);
        assert!(can_reach(&inner, (65534, 65534)));
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn the_user_postgres_is_read_from_its_line() {
        assert_eq!(
            parse_user(
                "postgres:x:101:104:Administrator,,,:/var/lib/postgresql:/bin/bash",
                "postgres"
            ),
            Some((101, 104))
        );
        assert_eq!(
            parse_user("nobody:x:65534:65534::/:/bin/false", "postgres"),
            None
        );
        assert_eq!(parse_user("postgres:x:0:0::/:/bin/false", "postgres"), None);
    }
}
