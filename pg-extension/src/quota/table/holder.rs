use pgrx::pg_sys;

/// Which running transaction has locked or changed a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    /// This transaction.
    Me,
    Other(pg_sys::TransactionId),
}

impl Holder {
    /// Whether this transaction would have to wait for the row.
    pub fn is_other(self) -> bool {
        matches!(self, Holder::Other(_))
    }

    /// Reads it from the tuple's own header.
    ///
    /// # Safety
    /// The tuple is on a pinned page. Its header may be changing, since the page is not locked: the answer is one that was true a moment ago, and
    /// locking or updating the row finds out.
    pub unsafe fn of(tuple: pg_sys::HeapTuple) -> Self {
        // SAFETY: as demanded.
        let (mask, xmax) = unsafe {
            let header = (*tuple).t_data;
            (
                u32::from((*header).t_infomask),
                (*header).t_choice.t_heap.t_xmax,
            )
        };
        if mask & (pg_sys::HEAP_XMAX_INVALID | pg_sys::HEAP_XMAX_COMMITTED) != 0 {
            return Holder::Nobody;
        }
        if mask & pg_sys::HEAP_XMAX_IS_MULTI == 0 {
            return Self::by(xmax);
        }
        let lock_only = mask & pg_sys::HEAP_XMAX_LOCK_ONLY != 0;
        members(xmax, lock_only)
            .into_iter()
            .map(Self::by)
            .fold(Holder::Nobody, Self::or)
    }

    fn by(transaction: pg_sys::TransactionId) -> Self {
        // SAFETY: reads the transactions' state.
        unsafe {
            if pg_sys::TransactionIdIsCurrentTransactionId(transaction) {
                Holder::Me
            } else if pg_sys::TransactionIdIsInProgress(transaction) {
                Holder::Other(transaction)
            } else {
                Holder::Nobody
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Holder::Other(transaction), _) | (_, Holder::Other(transaction)) => {
                Holder::Other(transaction)
            }
            (Holder::Me, _) | (_, Holder::Me) => Holder::Me,
            _ => Holder::Nobody,
        }
    }
}

/// The transactions behind a number that stands for several of them, as when subtransactions have locked the same row.
fn members(several: pg_sys::MultiXactId, lock_only: bool) -> Vec<pg_sys::TransactionId> {
    let mut members = std::ptr::null_mut();
    // SAFETY: Postgres allocates the array that it fills, and answers how long it is, or a negative number.
    unsafe {
        let count = pg_sys::GetMultiXactIdMembers(several, &mut members, false, lock_only);
        let Ok(count) = usize::try_from(count) else {
            return Vec::new();
        };
        if count == 0 {
            return Vec::new();
        }
        let list = std::slice::from_raw_parts(members, count)
            .iter()
            .map(|member| member.xid)
            .collect();
        pg_sys::pfree(members.cast());
        list
    }
}
