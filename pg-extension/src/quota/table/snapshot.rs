use pgrx::pg_sys;

/// What the table is read by.
pub struct Snapshot {
    snapshot: pg_sys::Snapshot,
    is_registered: bool,
}

impl Snapshot {
    /// The snapshot of the running statement: free of charge, and good enough for a first attempt.
    pub fn of_statement() -> Self {
        // SAFETY: a function is called with an active snapshot, or this is null and a fresh one is taken.
        let snapshot = unsafe { pg_sys::GetActiveSnapshot() };
        if snapshot.is_null() {
            return Self::fresh();
        }
        Snapshot {
            snapshot,
            is_registered: false,
        }
    }

    /// Everything that has committed by now, and this transaction's own changes.
    ///
    /// Also under `repeatable read` and `serializable`, whose own snapshot may be old. A count that others have moved on is not a conflict:
    /// the row locks already put takes in one order, as they do for a sequence.
    pub fn fresh() -> Self {
        // SAFETY: the snapshot is registered while it is used, so that vacuum keeps what it shows.
        unsafe {
            Snapshot {
                snapshot: pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot()),
                is_registered: true,
            }
        }
    }

    pub fn as_ptr(&self) -> pg_sys::Snapshot {
        self.snapshot
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // After an error the transaction's abort forgets it.
        if self.is_registered && !std::thread::panicking() {
            // SAFETY: it was registered by `fresh`.
            unsafe { pg_sys::UnregisterSnapshot(self.snapshot) };
        }
    }
}
