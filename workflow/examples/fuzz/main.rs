//! Feeds validation with hostile workflows, and stops at the first that breaks a promise.
//!
//! `cargo run --release -p workflow --example fuzz -- --minutes 10 --seed 1`
//!
//! The same seed makes the same inputs as long as the code is the same. An input that leads to a
//! set of problem codes that no other led to is kept, and mutated further. An input that breaks a
//! promise is printed whole; put it into `fuzzer/corpus.rs`, so that it stays solved.

#![allow(clippy::print_stdout, reason = "a program of the command line")]

mod fuzzer;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use fuzzer::Fuzzer;

/// Far above what any input should take, on a machine that is busy with other things.
const BOUND: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let (minutes, seed) = match arguments() {
        Ok(arguments) => arguments,
        Err(message) => {
            println!("{message}\nusage: fuzz [--minutes N] [--seed S]");
            return ExitCode::FAILURE;
        }
    };
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let mut fuzzer = Fuzzer::new(seed, BOUND);
    let mut said = Instant::now();
    let mut failure = fuzzer.corpus(|size| size).err();
    while failure.is_none() && Instant::now() < end {
        failure = fuzzer.step().err();
        if said.elapsed() > Duration::from_secs(60) {
            println!("{fuzzer}");
            said = Instant::now();
        }
    }
    println!("{fuzzer}");
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(f64, u64), String> {
    let (mut minutes, mut seed) = (10.0, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let wrong = |_| format!("`{value}` is no number");
        match name.as_str() {
            "--minutes" => minutes = value.parse().map_err(|_| wrong(()))?,
            "--seed" => seed = value.parse().map_err(|_| wrong(()))?,
            other => return Err(format!("there is no `{other}`")),
        }
    }
    Ok((minutes, seed))
}
