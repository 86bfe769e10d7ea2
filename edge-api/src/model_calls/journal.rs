//! What this process owes, in a file: calls that are being made, how far they have come, calls that the database does not know yet, and blocks of
//! tokens that it holds. A process that is killed loses nothing of it.
//!
//! Each process has a file of its own and holds a lock on it. A file that nobody holds was left by one that died, and is taken over by the next
//! that starts. What is in it may be in the database already: it counts once.
//!
//! The file has a place of a fixed size for each call that can be made at once, so it does not grow, and a call that moves on overwrites its
//! own. A write goes to the kernel, which keeps it whatever becomes of the process; what must outlive the machine is [`Journal::sync`]ed.
//!
//! ```text
//!   | head: magic | blocks: one after the other, 64 bytes each | calls: one after the other, 4,096 bytes each |
//!   block: state u8, 15 bytes of nothing, id, tenant
//!   call:  state u8, 7 bytes of nothing, Seen (4 x u64), length u64, EndedCall as JSON
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::Utc;
use llm::Usage;
use uuid::Uuid;

use super::block::LastBlock;
use super::ended_call::EndedCall;
use super::tokens;

const EXTENSION: &str = "model-calls";
const MAGIC: &[u8; 16] = b"aias calls 1\n\n\n\n";
const HEAD: u64 = 4096;
const BLOCK: u64 = 64;
/// Of those a process holds at once. One that finds no place is not in the file, and is given back when its lease is over.
const BLOCKS: u64 = 4096;
const CALL: usize = 4096;
const SEEN: usize = 8;
const LENGTH: usize = SEEN + 4 * 8;
const TEXT: usize = LENGTH + 8;

const FREE: u8 = 0;
const RUNNING: u8 = 1;
const ENDED: u8 = 2;
const HELD: u8 = 1;

/// How far a call has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub output_chars: u64,
    pub counted: Usage,
}

/// What a process left behind.
#[derive(Default)]
pub struct Left {
    pub calls: Vec<EndedCall>,
    pub blocks: Vec<LastBlock>,
}

pub struct Journal {
    file: File,
    path: PathBuf,
    calls: usize,
    free_blocks: Mutex<Vec<u64>>,
    held_blocks: Mutex<std::collections::HashMap<Uuid, u64>>,
    /// Of processes that died: removed once the database knows what is in them.
    taken_over: Mutex<Vec<(File, PathBuf)>>,
}

impl Journal {
    /// Makes this process's own file, with places for so many calls, and answers what others have left behind.
    ///
    /// # Errors
    /// The directory cannot be made, read or written.
    pub fn open(directory: &Path, calls: usize) -> io::Result<(Self, Left)> {
        std::fs::create_dir_all(directory)?;
        let mut left = Left::default();
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
        let (file, path) = create(directory)?;
        file.write_all_at(MAGIC, 0)?;
        file.set_len(HEAD + BLOCKS * BLOCK + (calls * CALL) as u64)?;
        let journal = Self {
            file,
            path,
            calls,
            free_blocks: Mutex::new((0..BLOCKS).rev().collect()),
            held_blocks: Mutex::default(),
            taken_over: Mutex::new(taken_over),
        };
        Ok((journal, left))
    }

    /// A call is being made: should nothing more be heard of it, it took what `call` says, or what was seen of it.
    pub fn begins(&self, place: usize, call: &EndedCall) {
        self.write_call(place, RUNNING, call);
    }

    pub fn moves_on(&self, place: usize, seen: &Seen) {
        let mut bytes = [0; LENGTH - SEEN];
        for (field, value) in bytes.chunks_exact_mut(8).zip([
            seen.output_chars,
            seen.counted.input_tokens,
            seen.counted.cached_input_tokens,
            seen.counted.output_tokens,
        ]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        self.write(&bytes, self.place(place) + SEEN as u64);
    }

    pub fn has_ended(&self, place: usize, call: &EndedCall) {
        self.write_call(place, ENDED, call);
    }

    /// The database knows it.
    pub fn is_written_down(&self, place: usize) {
        self.write(&[FREE], self.place(place));
    }

    pub fn holds(&self, tenant_id: Uuid, id: Uuid) {
        let place = lock(&self.free_blocks).pop();
        let Some(place) = place else {
            return;
        };
        let mut bytes = [0; 48];
        bytes[0] = HELD;
        bytes[16..32].copy_from_slice(id.as_bytes());
        bytes[32..48].copy_from_slice(tenant_id.as_bytes());
        self.write(&bytes, HEAD + place * BLOCK);
        lock(&self.held_blocks).insert(id, place);
    }

    pub fn holds_no_longer(&self, id: Uuid) {
        if let Some(place) = lock(&self.held_blocks).remove(&id) {
            self.write(&[FREE], HEAD + place * BLOCK);
            lock(&self.free_blocks).push(place);
        }
    }

    /// The database knows all that was taken over.
    pub fn forget_the_dead(&self) {
        for (_file, path) in lock(&self.taken_over).drain(..) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    // It counts once, however often it is said.
                    tracing::warn!(%error, path = %path.display(), "what was taken over cannot be removed");
                }
                _ => {}
            }
        }
    }

    /// Once this returns, what was written outlives the machine as far as its disks do.
    pub fn sync(&self) {
        if let Err(error) = self.file.sync_data() {
            tracing::error!(%error, "the journal of calls cannot be synced");
        }
    }

    fn write_call(&self, place: usize, state: u8, call: &EndedCall) {
        let mut bytes = vec![0; TEXT];
        bytes[0] = state;
        if let Err(error) = serde_json::to_writer(&mut bytes, call) {
            tracing::error!(%error, "what a call took cannot be written");
            return;
        }
        let length = bytes.len() - TEXT;
        bytes[LENGTH..TEXT].copy_from_slice(&(length as u64).to_le_bytes());
        if bytes.len() > CALL {
            tracing::error!(id = %call.id, length, "what a call took does not fit into its place in the journal");
            return;
        }
        // In one write within a page: a process that is killed has made it or not.
        self.write(&bytes, self.place(place));
    }

    fn place(&self, place: usize) -> u64 {
        debug_assert!(place < self.calls);
        HEAD + BLOCKS * BLOCK + (place * CALL) as u64
    }

    fn write(&self, bytes: &[u8], at: u64) {
        if let Err(error) = self.file.write_all_at(bytes, at) {
            metrics::counter!("aias_edge_journal_errors_total").increment(1);
            tracing::error!(%error, "the journal of calls cannot be written; what is not in it is in memory alone");
        }
    }
}

/// Nothing is owed any more, or a process is being killed by its own tests.
impl Drop for Journal {
    fn drop(&mut self) {
        let mut left = Left::default();
        let is_empty = read(&self.file, &self.path, &mut left).is_ok()
            && left.calls.is_empty()
            && left.blocks.is_empty();
        if is_empty {
            // Whoever starts next finds nothing in it and removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn create(directory: &Path) -> io::Result<(File, PathBuf)> {
    loop {
        let path = directory.join(format!("{}.{EXTENSION}", Uuid::now_v7()));
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)?;
        // Between the two, somebody else who starts may have taken it for one that was left behind.
        if file.try_lock().is_ok() && path.exists() {
            return Ok((file, path));
        }
    }
}

fn read(file: &File, path: &Path, into: &mut Left) -> io::Result<()> {
    let length = file.metadata()?.len();
    let calls_at = HEAD + BLOCKS * BLOCK;
    // Of a process that died while it made it.
    if length < calls_at {
        return Ok(());
    }
    let mut magic = [0; MAGIC.len()];
    file.read_exact_at(&mut magic, 0)?;
    if &magic != MAGIC {
        tracing::warn!(path = %path.display(), "this is no journal of calls and is left out");
        return Ok(());
    }
    let mut blocks = vec![0; (BLOCKS * BLOCK) as usize];
    file.read_exact_at(&mut blocks, HEAD)?;
    for block in blocks.chunks_exact(BLOCK as usize) {
        if block[0] == HELD {
            let (id, tenant_id) = (uuid(&block[16..32]), uuid(&block[32..48]));
            into.blocks.push(LastBlock::of_tokens(tenant_id, id));
        }
    }
    let mut place = [0; CALL];
    for at in (calls_at..length).step_by(CALL) {
        file.read_exact_at(&mut place, at)?;
        if place[0] != FREE {
            match call(&place) {
                Some(call) => into.calls.push(call),
                None => {
                    tracing::warn!(path = %path.display(), at, "a call in the journal cannot be read and is left out");
                }
            }
        }
    }
    Ok(())
}

fn call(place: &[u8; CALL]) -> Option<EndedCall> {
    let number = |at: usize| {
        let bytes = place.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let length = usize::try_from(number(LENGTH)?).ok()?;
    let text = place.get(TEXT..TEXT.checked_add(length)?)?;
    let mut call: EndedCall = serde_json::from_slice(text).ok()?;
    if place[0] == RUNNING {
        let counted = Usage {
            input_tokens: number(SEEN + 8)?,
            cached_input_tokens: number(SEEN + 16)?,
            output_tokens: number(SEEN + 24)?,
            ..Usage::default()
        };
        let chars = usize::try_from(number(SEEN)?).ok()?;
        let seen = tokens::of_what_was_seen(&counted, call.input_tokens, chars);
        call.is_estimated = true;
        call.ended_at = Utc::now();
        call.took(&seen);
    }
    Some(call)
}

fn uuid(bytes: &[u8]) -> Uuid {
    Uuid::from_slice(bytes).unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model_calls::block::Part;

    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("aias-journal-{}", Uuid::now_v7())))
        }

        fn open(&self) -> (Journal, Left) {
            Journal::open(&self.0, 4).unwrap()
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
            blocks: vec![Part {
                id: Uuid::max(),
                tokens: 10,
            }],
            caps: Vec::new(),
            user_id: None,
            api_key_id: Some(Uuid::nil()),
            agent_id: None,
            agent_version: None,
            provider: "openai".to_owned(),
            model: "gpt-4o-mini".to_owned(),
            input_tokens: 7,
            cached_input_tokens: 0,
            cache_write_input_tokens: 0,
            output_tokens: 3,
            reasoning_tokens: 0,
            is_estimated: false,
            own_key: false,
            ended_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_a_dead_process_owed_is_taken_over() {
        let directory = Directory::new();
        let (dead, left) = directory.open();
        assert!(left.calls.is_empty() && left.blocks.is_empty());
        dead.begins(0, &call(1));
        dead.has_ended(0, &call(1));
        dead.begins(
            1,
            &EndedCall {
                output_tokens: 0,
                ..call(2)
            },
        );
        dead.moves_on(
            1,
            &Seen {
                output_chars: 40,
                counted: Usage::default(),
            },
        );
        dead.begins(3, &call(3));
        dead.has_ended(3, &call(3));
        dead.is_written_down(3);
        dead.holds(Uuid::nil(), Uuid::max());
        dead.holds(Uuid::nil(), Uuid::from_u128(5));
        dead.holds_no_longer(Uuid::from_u128(5));
        drop(dead);

        let (living, left) = directory.open();
        assert_eq!(
            left.blocks,
            [LastBlock::of_tokens(Uuid::nil(), Uuid::max())]
        );
        assert_eq!(left.calls.len(), 2);
        assert_eq!(left.calls[0], call(1));
        let cut_off = &left.calls[1];
        assert_eq!(
            (cut_off.id, cut_off.is_estimated),
            (Uuid::from_u128(2), true)
        );
        assert_eq!((cut_off.input_tokens, cut_off.output_tokens), (7, 10));
        assert_eq!(
            cut_off.blocks,
            [Part {
                id: Uuid::max(),
                tokens: 17
            }]
        );
        assert!(cut_off.ended_at > DateTime::UNIX_EPOCH);

        // It dies, too, before the database knows.
        let (_other, left) = directory.open();
        assert!(left.calls.is_empty(), "what is held is somebody's own");
        drop(living);
        let (next, left) = directory.open();
        assert_eq!(left.calls.len(), 2);
        next.forget_the_dead();
        assert_eq!(directory.files(), 2);
    }

    #[test]
    fn who_owes_nothing_leaves_no_file() {
        let directory = Directory::new();
        let (journal, _) = directory.open();
        journal.begins(0, &call(1));
        journal.has_ended(0, &call(1));
        journal.is_written_down(0);
        assert_eq!(directory.files(), 1);
        drop(journal);
        assert_eq!(directory.files(), 0);
    }

    #[test]
    fn what_is_no_journal_is_left_alone() {
        let directory = Directory::new();
        std::fs::create_dir_all(&directory.0).unwrap();
        std::fs::write(directory.0.join("a.model-calls"), vec![b'x'; 1 << 20]).unwrap();
        std::fs::write(directory.0.join("b.model-calls"), "half").unwrap();
        let (_journal, left) = directory.open();
        assert!(left.calls.is_empty() && left.blocks.is_empty());
    }
}
