//! What the database does not know yet, in a file: a process that dies loses nothing of it.
//!
//! Each process has a file of its own and holds a lock on it. A file that nobody holds was left by one that died, and is taken over by the next
//! that starts. A line may be there twice, or be in the database already: it counts once.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::ended_call::EndedCall;

const EXTENSION: &str = "model-calls";

pub struct Spool {
    file: File,
    path: PathBuf,
    is_empty: bool,
}

impl Spool {
    /// Makes this process's own file, and answers what others have left behind.
    ///
    /// # Errors
    /// The directory cannot be made, read or written.
    pub fn open(directory: &Path) -> io::Result<(Self, Vec<EndedCall>)> {
        std::fs::create_dir_all(directory)?;
        let mut left = Vec::new();
        let mut taken_over = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path
                .extension()
                .is_none_or(|extension| extension != EXTENSION)
            {
                continue;
            }
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            // Held by a process that lives.
            if file.try_lock().is_err() {
                continue;
            }
            read(&file, &path, &mut left)?;
            taken_over.push((file, path));
        }
        let mut spool = Self::create(directory)?;
        spool.append(&left)?;
        for (_file, path) in taken_over {
            match std::fs::remove_file(path) {
                // Two that start at once may both have read it, one after the other.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok((spool, left))
    }

    fn create(directory: &Path) -> io::Result<Self> {
        loop {
            let path = directory.join(format!("{}.{EXTENSION}", Uuid::now_v7()));
            let file = OpenOptions::new()
                .create_new(true)
                .append(true)
                .open(&path)?;
            // Between the two, somebody else who starts may have taken it for one that was left behind.
            if file.try_lock().is_ok() && path.exists() {
                return Ok(Self {
                    file,
                    path,
                    is_empty: true,
                });
            }
        }
    }

    /// Once this returns, the lines outlive the process; and the machine, as far as its disks do.
    pub fn append(&mut self, calls: &[EndedCall]) -> io::Result<()> {
        if calls.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for call in calls {
            serde_json::to_writer(&mut lines, call)?;
            lines.push(b'\n');
        }
        self.is_empty = false;
        self.file.write_all(&lines)
    }

    pub fn clear(&mut self) -> io::Result<()> {
        if !self.is_empty {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
            self.is_empty = true;
        }
        Ok(())
    }
}

/// Nothing is left to be said.
impl Drop for Spool {
    fn drop(&mut self) {
        if self.is_empty {
            // Whoever starts next finds it empty and removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn read(file: &File, path: &Path, into: &mut Vec<EndedCall>) -> io::Result<()> {
    for line in BufReader::new(file).lines() {
        match serde_json::from_str(&line?) {
            Ok(call) => into.push(call),
            // The last line of a process that died while it wrote it.
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a line of the spool is not whole and is left out");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("aias-spool-{}", Uuid::now_v7())))
        }

        fn files(&self) -> usize {
            std::fs::read_dir(&self.0).unwrap().count()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn call(number: u128) -> EndedCall {
        EndedCall {
            id: Uuid::from_u128(number),
            tenant_id: Uuid::nil(),
            reservation: Uuid::nil(),
            user_id: None,
            api_key_id: Some(Uuid::nil()),
            agent_id: None,
            provider: "openai".to_owned(),
            model: "gpt-4o-mini".to_owned(),
            input_tokens: 7,
            cached_input_tokens: 0,
            output_tokens: 3,
            reasoning_tokens: 0,
            is_estimated: true,
            own_key: false,
            ended_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_a_dead_process_left_is_taken_over_once() {
        let directory = Directory::new();
        let (mut dead, left) = Spool::open(&directory.0).unwrap();
        assert!(left.is_empty());
        dead.append(&[call(1), call(2)]).unwrap();
        // It dies in the middle of a line.
        dead.file.write_all(br#"{"id": "01"#).unwrap();
        drop(dead);

        let (living, left) = Spool::open(&directory.0).unwrap();
        assert_eq!(left, [call(1), call(2)]);
        // What it holds is its own.
        let (other, left) = Spool::open(&directory.0).unwrap();
        assert!(left.is_empty());
        drop(other);
        drop(living);
        // It had it in its own file, too.
        let (_next, left) = Spool::open(&directory.0).unwrap();
        assert_eq!(left, [call(1), call(2)]);
        assert_eq!(directory.files(), 1);
    }

    #[test]
    fn what_was_cleared_is_not_said_again() {
        let directory = Directory::new();
        let (mut spool, _) = Spool::open(&directory.0).unwrap();
        spool.append(&[call(1)]).unwrap();
        spool.clear().unwrap();
        spool.append(&[call(2)]).unwrap();
        drop(spool);
        let (mut spool, left) = Spool::open(&directory.0).unwrap();
        assert_eq!(left, [call(2)]);
        spool.clear().unwrap();
        drop(spool);
        assert_eq!(directory.files(), 0);
    }
}
