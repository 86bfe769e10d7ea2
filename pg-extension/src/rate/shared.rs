//! The store in shared memory, when the library is in `shared_preload_libraries`.
//!
//! A fixed number of shelves, each a lock and a few entries; a key's hash says which shelf. An entry whose instant has passed says the
//! same as no entry, so its place is free for the next key. When a shelf is full of entries that still matter, the one that would stop
//! mattering first makes room: that key is admitted somewhat more than its limit, and memory stays bounded whatever keys arrive.

use std::cell::UnsafeCell;
use std::ffi::CStr;
use std::hash::{DefaultHasher, Hash, Hasher};

use pgrx::pg_sys;

use super::gcra::{Decision, Limit};
use super::settings;
use crate::shared_memory::{Area, Layout, Spin, failed};

/// Entries on a shelf: with the lock, a shelf is four cache lines.
const WAYS: usize = 10;

#[repr(C, align(64))]
struct Shelf {
    lock: Spin,
    entries: UnsafeCell<[Entry; WAYS]>,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Entry {
    id: [u64; 2],
    empty_at: i64,
}

/// A place that nobody took yet.
const FREE: Entry = Entry {
    id: [0; 2],
    empty_at: i64::MIN,
};

#[repr(C, align(64))]
pub struct Header {
    /// Chosen when the server starts, so that nobody can choose keys that meet on one shelf.
    secret: [u64; 2],
    shelves: usize,
}

pub static SHARED: Area<Header> = Area::new();

impl Area<Header> {
    /// Decides, and counts when it admits. `None` when the library was not preloaded.
    pub fn decide(&self, key: &str, limit: &Limit, now: i64, cost: i64) -> Option<Decision> {
        self.with(key, limit, |entries, id| {
            let found = entries.iter().position(|entry| entry.id == id);
            let kept = found.map_or(i64::MIN, |place| entries[place].empty_at);
            let decision = limit.decide(kept, now, cost);
            if limit.changes(kept, &decision) {
                let place = found.unwrap_or_else(|| soonest_empty(entries));
                entries[place] = Entry {
                    id,
                    empty_at: decision.empty_at,
                };
            }
            decision
        })
    }

    /// When the bucket is empty again, without counting anything.
    pub fn peek(&self, key: &str, limit: &Limit) -> Option<i64> {
        self.with(key, limit, |entries, id| {
            entries
                .iter()
                .find(|entry| entry.id == id)
                .map_or(i64::MIN, |entry| entry.empty_at)
        })
    }

    fn with<R>(
        &self,
        key: &str,
        limit: &Limit,
        work: impl FnOnce(&mut [Entry; WAYS], [u64; 2]) -> R,
    ) -> Option<R> {
        // SAFETY: the pointer is null or leads to the header that `make` has filled in, with its shelves right behind it; the entries are
        // changed only under their shelf's lock.
        unsafe {
            let header = self.memory().as_ref()?;
            let id = identify(header.secret, key, limit);
            let first = self.memory().add(1).cast::<Shelf>();
            let shelf = &*first.add((id[0] % header.shelves as u64) as usize);
            let _held = shelf.lock.hold(STUCK);
            Some(work(&mut *shelf.entries.get(), id))
        }
    }
}

/// What a caller is told whose shelf's holder is stopped.
const STUCK: &str = "the process that is counting for this key or one near it does not go on";

/// The place of the entry that is empty first: one in the past, if there is any.
fn soonest_empty(entries: &[Entry; WAYS]) -> usize {
    let mut place = 0;
    for index in 1..WAYS {
        if entries[index].empty_at < entries[place].empty_at {
            place = index;
        }
    }
    place
}

/// 128 bits, so that two buckets are one only by a miracle. The same key in two databases is two buckets, as it is in their tables.
fn identify(secret: [u64; 2], key: &str, limit: &Limit) -> [u64; 2] {
    // SAFETY: set once, when the session starts.
    let database = u32::from(unsafe { pg_sys::MyDatabaseId });
    secret.map(|secret| {
        let mut hasher = DefaultHasher::new();
        (secret, database, limit.window(), key).hash(&mut hasher);
        hasher.finish()
    })
}

fn shelves() -> usize {
    (settings::entries() / WAYS).max(1)
}

// SAFETY: the header and as many shelves as it says, each of them written.
unsafe impl Layout for Header {
    const NAME: &'static CStr = c"aias rate limits";

    fn size() -> usize {
        size_of::<Header>() + shelves() * size_of::<Shelf>()
    }

    unsafe fn make(memory: *mut Self) {
        let mut secret = [0u64; 2];
        // SAFETY: the caller promises the memory.
        unsafe {
            if !pg_sys::pg_strong_random((&raw mut secret).cast(), size_of_val(&secret)) {
                failed("the system has no random numbers");
            }
            memory.write(Header {
                secret,
                shelves: shelves(),
            });
            let first = memory.add(1).cast::<Shelf>();
            for index in 0..shelves() {
                let shelf = first.add(index);
                // A lock that is zero is free.
                shelf.cast::<u8>().write_bytes(0, size_of::<Shelf>());
                (&raw mut (*shelf).entries)
                    .cast::<[Entry; WAYS]>()
                    .write([FREE; WAYS]);
            }
        }
    }
}
