use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

static ENTRIES: GucSetting<i32> = GucSetting::<i32>::new(100_000);
static IN_TABLE: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Declares the settings. How large shared memory is can be said only while the server starts.
pub fn define(is_preloaded: bool) {
    GucRegistry::define_bool_guc(
        c"aias.rate_limits_in_table",
        c"Keeps rate limits in a table even where shared memory is at hand.",
        c"The answers are the same. It is slower, and a transaction that rolls back gives its requests back.",
        &IN_TABLE,
        GucContext::Suset,
        GucFlags::default(),
    );
    if is_preloaded {
        GucRegistry::define_int_guc(
            c"aias.rate_limit_entries",
            c"How many buckets of rate limits shared memory holds.",
            c"Each takes 26 bytes. Make it several times the number of keys that are being limited at the same time: when the place of \
            a key is taken, the key that would be forgotten first makes room.",
            &ENTRIES,
            100,
            100_000_000,
            GucContext::Postmaster,
            GucFlags::default(),
        );
    }
}

pub fn entries() -> usize {
    usize::try_from(ENTRIES.get()).unwrap_or(100)
}

pub fn in_table() -> bool {
    IN_TABLE.get()
}
