//! How long a thread has worked.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Time on the processor, so that a busy machine makes nothing look slow; where the system does not
/// tell, the time of day.
pub fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // The first number is in nanoseconds: <https://docs.kernel.org/scheduler/sched-stats.html>.
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .map_or_else(|| START.elapsed(), Duration::from_nanos)
}
