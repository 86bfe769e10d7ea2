//! Memory that all processes of the server share. It can only be had while the server starts: where the library is in
//! `shared_preload_libraries`.
//!
//! An [`Area`] is one such piece, which its [`Layout`] describes. What is in it is guarded by a [`Spin`].

use std::cell::UnsafeCell;
use std::ffi::CStr;
use std::ptr::null_mut;

use pgrx::prelude::*;
use pgrx::{PgSharedMemoryInitialization, pg_sys};

mod spin;

pub use spin::Spin;

use crate::fault::raise;

/// What stands at the beginning of an area; the rest is right behind it.
///
/// # Safety
/// `make` fills in [`Layout::size`] bytes, so that whatever the type does with them later is sound, in any process.
pub unsafe trait Layout: Sized + 'static {
    /// What Postgres knows it by.
    const NAME: &'static CStr;

    /// All of it, in bytes. The same whenever it is asked, since the server has started.
    fn size() -> usize;

    /// # Safety
    /// `memory` is aligned, and is as many bytes of shared memory that nobody else looks at yet.
    unsafe fn make(memory: *mut Self);
}

/// Where an area is, in this process.
pub struct Area<T> {
    memory: UnsafeCell<*mut T>,
}

// SAFETY: Postgres's processes have one thread, and the pointer is set once, before any session begins.
unsafe impl<T> Sync for Area<T> {}

impl<T> Area<T> {
    pub const fn new() -> Self {
        Area {
            memory: UnsafeCell::new(null_mut()),
        }
    }

    /// Null when the library was not preloaded.
    pub fn memory(&self) -> *mut T {
        // SAFETY: set once, as said above.
        unsafe { *self.memory.get() }
    }
}

impl<T: Layout> PgSharedMemoryInitialization for Area<T> {
    type Value = ();

    unsafe fn on_shmem_request(&'static self) {
        // SAFETY: called from the hook that they belong into.
        unsafe {
            pg_sys::RequestAddinShmemSpace(T::size());
            pg_sys::RequestNamedLWLockTranche(T::NAME.as_ptr(), 1);
        }
    }

    /// Called in the postmaster, again after a crash with memory that is new, and in each session where the system has no fork. For the
    /// last, whoever comes first makes it: under a lock of our own, since which number Postgres's own lock for this has
    /// (`AddinShmemInitLock`) is not a promise.
    unsafe fn on_shmem_startup(&'static self, (): ()) {
        // SAFETY: called from the hook that it belongs into; the lock was requested above.
        unsafe {
            let lock = &raw mut (*pg_sys::GetNamedLWLockTranche(T::NAME.as_ptr())).lock;
            pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
            let mut found = false;
            let memory = pg_sys::ShmemInitStruct(T::NAME.as_ptr(), T::size(), &mut found);
            let memory = memory.cast::<T>();
            if !found {
                // Postgres aligns it to cache lines.
                if !memory.is_aligned() {
                    failed("shared memory is not aligned to cache lines");
                }
                T::make(memory);
            }
            *self.memory.get() = memory;
            pg_sys::LWLockRelease(lock);
        }
    }
}

/// The server does not start.
pub fn failed(why: &str) -> ! {
    raise(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, why)
}
