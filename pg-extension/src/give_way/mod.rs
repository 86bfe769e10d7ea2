//! A session that works in the background lets others go first.
//!
//! Where all processors are busy, the kernel makes a session that wakes wait for those that run, as long as it thinks that it has had its share. A batch
//! of a worker can keep a person's statement waiting for milliseconds, several times. Two things together end that without starving the batch: it has a
//! small share, and it is asked often whether that is used up (`slice`).

mod slice;

use pgrx::pg_sys::Datum;
use rustix::process::{getpriority_process, setpriority_process};

use crate::door::{Answer, Call, function};

/// Of a processor that both want a quarter (weights 335 to 1024, `sched_prio_to_weight` in the kernel's `kernel/sched/core.c`). Not less: whoever holds
/// a lock and gets no processor keeps those waiting that were to go first; and with a tenth, as at niceness 10, claims take seconds where other
/// processes keep the machine busy.
const NICENESS: i32 = 5;

function!(aias_give_way, pg_finfo_aias_give_way, give_way);

/// For the rest of this session. Whether the system has taken it; where it has not, all is as before.
fn give_way(_: Call) -> Answer {
    let is_nice = getpriority_process(None).is_ok_and(|niceness| niceness >= NICENESS)
        || setpriority_process(None, NICENESS).is_ok();
    let has_slices = slice::begin();
    Answer::Value(Datum::from(is_nice && has_nice_group() && has_slices))
}

/// Each session of Postgres leads a session of the system's, and Linux may share processors among those first:
/// <https://man7.org/linux/man-pages/man7/sched.7.html>, "The autogroup feature". Without it there is no such file.
fn has_nice_group() -> bool {
    const GROUP: &str = "/proc/self/autogroup";
    match std::fs::read_to_string(GROUP) {
        // The system takes one of these every tenth of a second, of all who are not root, and refuses the others.
        Ok(_) => (0..5).any(|attempt| {
            if attempt > 0 {
                std::thread::sleep(std::time::Duration::from_millis(110));
            }
            std::fs::write(GROUP, NICENESS.to_string()).is_ok()
        }),
        Err(_) => true,
    }
}
