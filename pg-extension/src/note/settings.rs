use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

static ENTRIES: GucSetting<i32> = GucSetting::<i32>::new(1_000);

/// Only while the server starts can be said how large shared memory is.
pub fn define() {
    GucRegistry::define_int_guc(
        c"aias.note_entries",
        c"How many notes shared memory holds until they are taken.",
        c"Each takes 1056 bytes. When all places are in use, the oldest note makes room and is lost.",
        &ENTRIES,
        10,
        100_000,
        GucContext::Postmaster,
        GucFlags::default(),
    );
}

pub fn entries() -> usize {
    usize::try_from(ENTRIES.get()).unwrap_or(10)
}
