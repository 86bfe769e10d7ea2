//! While a statement runs, the kernel is asked five thousand times a second whose turn it is.
//!
//! By itself it looks when somebody sleeps or wakes, and else at its tick, which comes 250 times a second where `CONFIG_HZ` is 250, as in most
//! distributions. Who wakes just after having had a share is passed over, and then waits for that tick: 4 ms, after each read of a socket and each
//! sync of a commit. `sched_yield` looks at once (<https://man7.org/linux/man-pages/man2/sched_yield.2.html>), and costs a microsecond where nobody waits.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null_mut;

use pgrx::pg_sys;

#[cfg(target_os = "linux")]
use timer::Timer;

/// 0.2 ms; with 0.1 ms others wait no less.
const SLICE_NANOSECONDS: i64 = 200_000;

thread_local! {
    /// Of this session, once it has one.
    static TIMER: Cell<Option<Timer>> = const { Cell::new(None) };
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
    static NEXT: Cell<pg_sys::ExecutorRun_hook_type> = const { Cell::new(None) };
}

/// From now on each statement of this session runs in slices. Whether the system has such timers.
pub fn begin() -> bool {
    if TIMER.get().is_some() {
        return true;
    }
    let Some(timer) = Timer::create() else {
        return false;
    };
    TIMER.set(Some(timer));
    // SAFETY: Postgres has one thread, and asks for the hook at each statement.
    unsafe {
        NEXT.set(pg_sys::ExecutorRun_hook);
        pg_sys::ExecutorRun_hook = Some(run);
        pg_sys::RegisterXactCallback(Some(at_end), null_mut());
    }
    true
}

fn start() {
    if let Some(timer) = TIMER.get()
        && !IS_RUNNING.replace(true)
    {
        timer.every(SLICE_NANOSECONDS);
    }
}

fn stop() {
    if let Some(timer) = TIMER.get()
        && IS_RUNNING.replace(false)
    {
        timer.every(0);
    }
}

/// Before Postgres 18 there is one argument more, and it is passed on as it came.
macro_rules! run_in_slices {
    ($($last:ident: $type:ty)?) => {
        unsafe extern "C-unwind" {
            // Not as pgrx declares it: that catches an error and raises it anew, with an SQLSTATE that it knows.
            fn standard_ExecutorRun(
                query: *mut pg_sys::QueryDesc,
                direction: pg_sys::ScanDirection::Type,
                count: u64,
                $($last: $type)?
            );
        }

        /// An error jumps over this, which has nothing to be dropped.
        unsafe extern "C-unwind" fn run(
            query: *mut pg_sys::QueryDesc,
            direction: pg_sys::ScanDirection::Type,
            count: u64,
            $($last: $type)?
        ) {
            start();
            // SAFETY: what Postgres called this with.
            unsafe {
                match NEXT.get() {
                    Some(next) => next(query, direction, count, $($last)?),
                    None => standard_ExecutorRun(query, direction, count, $($last)?),
                }
            }
        }
    };
}

#[cfg(feature = "pg18")]
run_in_slices!();
#[cfg(not(feature = "pg18"))]
run_in_slices!(execute_once: bool);

/// However a transaction ends, nothing wakes the session while it waits for the next.
unsafe extern "C-unwind" fn at_end(_: pg_sys::XactEvent::Type, _: *mut c_void) {
    stop();
}

#[cfg(target_os = "linux")]
mod timer {
    use std::ptr::null_mut;

    /// One of the kernel's, for as long as the process lives.
    #[derive(Clone, Copy)]
    pub struct Timer(libc::timer_t);

    impl Timer {
        pub fn create() -> Option<Self> {
            // Postgres uses none of the real-time signals, and the C library the first ones.
            let signal = libc::SIGRTMIN() + 3;
            // SAFETY: zeros are no handler, no mask and no timer yet; all of it is written before it is read.
            unsafe {
                let mut before: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &mut before);
                if before.sa_sigaction != libc::SIG_DFL {
                    // Some other library's.
                    return None;
                }
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = let_others as *const () as libc::sighandler_t;
                action.sa_flags = libc::SA_RESTART;
                let mut event: libc::sigevent = std::mem::zeroed();
                event.sigev_notify = libc::SIGEV_SIGNAL;
                event.sigev_signo = signal;
                let mut timer: libc::timer_t = std::mem::zeroed();
                let is_made = libc::sigaction(signal, &action, null_mut()) == 0
                    && libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) == 0;
                is_made.then_some(Self(timer))
            }
        }

        /// Not at all with 0.
        pub fn every(self, nanoseconds: i64) {
            let each = libc::timespec {
                tv_sec: 0,
                tv_nsec: nanoseconds,
            };
            let times = libc::itimerspec {
                it_interval: each,
                it_value: each,
            };
            // SAFETY: the timer was created and is never deleted.
            unsafe { libc::timer_settime(self.0, 0, &times, null_mut()) };
        }
    }

    /// Calls nothing but the kernel, since it may interrupt anything.
    extern "C" fn let_others(_: libc::c_int) {
        // SAFETY: `errno` is this thread's.
        unsafe {
            let errno = libc::__errno_location();
            let before = *errno;
            libc::sched_yield();
            *errno = before;
        }
    }
}

#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy)]
struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    fn create() -> Option<Self> {
        None
    }

    fn every(self, _: i64) {}
}
