//! Notes in shared memory, when the library is in `shared_preload_libraries`: of all databases together, under one lock.

use std::cell::UnsafeCell;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

use pgrx::pg_sys;

use super::slots::{Cursor, Ends, LONGEST, Slot, Slots};
use super::{Note, settings};
use crate::shared_memory::{Area, Layout, Spin};

#[repr(C, align(64))]
pub struct Header {
    lock: Spin,
    ends: UnsafeCell<Ends>,
    slots: usize,
    /// Not guarded by the lock, so that it also counts what is lost because the lock cannot be had.
    lost: AtomicU64,
}

pub static NOTES: Area<Header> = Area::new();

/// Notes that are taken while the lock is held: to copy them takes about as long as to keep one.
const BATCH: usize = 8;

/// What a caller is told when the holder of the lock is stopped.
const STUCK: &str = "the process that is writing or taking a note does not go on";

impl Area<Header> {
    /// Answers whether it is kept: not when the library was not preloaded.
    pub fn keep(&self, text: &[u8]) -> bool {
        debug_assert!(text.len() <= LONGEST);
        let Some(header) = self.header() else {
            return false;
        };
        let database = database();
        // SAFETY: reads the clock.
        let at = unsafe { pg_sys::GetCurrentTimestamp() };
        let held = header.lock.hold(STUCK);
        // SAFETY: the lock is held.
        let lost = unsafe { self.slots(header) }.keep(database, at, text);
        drop(held);
        header.count_lost(lost);
        true
    }

    /// The next of this database's notes, at most so many; none when there are no more.
    pub fn take(&self, cursor: &mut Cursor, most: usize) -> Vec<Note> {
        let Some(header) = self.header() else {
            return Vec::new();
        };
        let (database, most) = (database(), most.min(BATCH));
        let mut batch = Vec::with_capacity(most);
        let mut is_end = most == 0;
        while batch.is_empty() && !is_end {
            let _held = header.lock.hold(STUCK);
            // SAFETY: the lock is held.
            is_end = unsafe { self.slots(header) }.take(cursor, database, &mut batch, most);
        }
        batch.iter().map(Slot::note).collect()
    }

    /// Puts notes of this database back. Raises no error.
    pub fn put_back(&self, notes: &[Note]) {
        let Some(header) = self.header() else {
            return;
        };
        let database = database();
        for (number, note) in notes.iter().enumerate() {
            let Some(held) = header.lock.hold_silently() else {
                header.count_lost((notes.len() - number) as u64);
                return;
            };
            // SAFETY: the lock is held.
            let lost = unsafe { self.slots(header) }.put_back(database, note);
            drop(held);
            header.count_lost(lost);
        }
    }

    pub fn lost(&self) -> u64 {
        self.header()
            .map_or(0, |header| header.lost.load(Ordering::Relaxed))
    }

    fn header(&self) -> Option<&Header> {
        // SAFETY: the pointer is null or leads to the header that `make` has filled in.
        unsafe { self.memory().as_ref() }
    }

    /// # Safety
    /// The lock is held for as long as they are used.
    unsafe fn slots<'a>(&self, header: &'a Header) -> Slots<'a> {
        // SAFETY: `make` has put so many slots right behind the header, and nobody looks at them but who holds the lock.
        unsafe {
            let first = self.memory().add(1).cast::<Slot>();
            Slots {
                ends: &mut *header.ends.get(),
                slots: std::slice::from_raw_parts_mut(first, header.slots),
            }
        }
    }
}

impl Header {
    fn count_lost(&self, notes: u64) {
        if notes > 0 {
            self.lost.fetch_add(notes, Ordering::Relaxed);
        }
    }
}

// SAFETY: the header and as many slots as it says, each of them written.
unsafe impl Layout for Header {
    const NAME: &'static CStr = c"aias notes";

    fn size() -> usize {
        size_of::<Header>() + settings::entries() * size_of::<Slot>()
    }

    unsafe fn make(memory: *mut Self) {
        let slots = settings::entries();
        // SAFETY: the caller promises the memory.
        unsafe {
            // A lock that is zero is free, and nothing is lost yet.
            memory.write_bytes(0, 1);
            (*memory).ends = UnsafeCell::new(Ends::EMPTY);
            (*memory).slots = slots;
            let first = memory.add(1).cast::<Slot>();
            for place in 0..slots {
                first
                    .add(place)
                    .write(Slot::free(place as u32, place + 1 == slots));
            }
        }
    }
}

fn database() -> u32 {
    // SAFETY: set once, when the session starts.
    u32::from(unsafe { pg_sys::MyDatabaseId })
}
