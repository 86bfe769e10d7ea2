//! A thousand inputs of the fuzzer, and all that it ever found.

#[path = "../examples/fuzz/fuzzer/mod.rs"]
mod fuzzer;

use std::time::Duration;

use fuzzer::Fuzzer;

/// Tests are built without optimisation, and run beside others.
const BOUND: Duration = Duration::from_secs(30);

#[test]
fn what_was_once_found_keeps_every_promise() {
    Fuzzer::new(0, BOUND).corpus(|size| size / 12 + 1).unwrap();
}

#[test]
fn what_is_made_up_keeps_every_promise() {
    let mut fuzzer = Fuzzer::new(20_260_101, BOUND);
    for _ in 0..1_000 {
        fuzzer.step().unwrap();
    }
}
