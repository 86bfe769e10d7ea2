//! Carries out what a [`Run`] decides.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::sleep;

use super::run::{Action, Event, Left, Run};
use crate::clock::Clock;
use crate::committer::{Committed, Committer};
use crate::held::Hold;
use crate::nodes::{Call, Failure, Perform, Place, Reserved, Stopped, Success};

/// How far the worker has come in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drain {
    No,
    /// Nothing new begins.
    Draining,
    /// Calls that are still out are stopped.
    Deadline,
}

/// What all executions share. Cheap to clone.
#[derive(Clone)]
pub struct Drive {
    pub committer: Committer,
    pub perform: Arc<dyn Perform>,
    pub clock: Arc<dyn Clock>,
    pub drain: watch::Receiver<Drain>,
}

/// Runs until the execution is over, sleeps in the database, or belongs to somebody else (`None`); whatever is out then is stopped.
pub async fn drive(mut run: Run, first: Vec<Action>, drive: &Drive, hold: &Hold) -> Option<Left> {
    let mut driver = Driver {
        shared: drive,
        hold,
        drain: drive.drain.clone(),
        seen_drain: Drain::No,
        seen_cancel: false,
        seen_pause: false,
        recording: None,
        calls: Calls::default(),
    };
    let mut actions = first;
    loop {
        for action in actions {
            match action {
                Action::Record(record) => driver.recording = Some(drive.committer.submit(*record)),
                Action::Start(call) => driver.calls.start(*call, Arc::clone(&drive.perform)),
                Action::Stop { place } => driver.calls.stop(place),
                Action::Leave(left) => return Some(left),
            }
        }
        let event = driver.next_event(&run).await?;
        // A call may have said what it set aside just before it ended, or is about to be stopped.
        while let Some((place, attempt, reservation)) = driver.calls.reserved() {
            run.on(
                Event::Reserved {
                    place,
                    attempt,
                    reservation,
                },
                drive.clock.now(),
            );
        }
        actions = run.on(event, drive.clock.now());
    }
}

struct Driver<'a> {
    shared: &'a Drive,
    hold: &'a Hold,
    drain: watch::Receiver<Drain>,
    seen_drain: Drain,
    seen_cancel: bool,
    seen_pause: bool,
    recording: Option<oneshot::Receiver<Committed>>,
    calls: Calls,
}

impl Driver<'_> {
    /// What happens next; `None` when the claim is lost.
    async fn next_event(&mut self, run: &Run) -> Option<Event> {
        loop {
            let wakes_at = run.wakes_at();
            tokio::select! {
                biased;
                committed = answer(&mut self.recording) => {
                    self.recording = None;
                    return match committed {
                        Committed::Accepted { cancel_requested } => {
                            self.hold.recorded();
                            Some(Event::Recorded { cancel_requested })
                        }
                        Committed::Unrecordable(why) => Some(Event::Unrecordable { why }),
                        Committed::Refused => None,
                    };
                }
                () = self.hold.lost() => return None,
                ended = self.calls.next() => match ended {
                    Ended::Call(place, attempt, Ok(success)) => return Some(Event::Ended { place, attempt, result: Ok(success) }),
                    Ended::Call(place, attempt, Err(Stopped::Failed(failure))) => {
                        return Some(Event::Ended { place, attempt, result: Err(failure) });
                    }
                    Ended::Call(_, _, Err(Stopped::ClaimLost)) => return None,
                    Ended::Stopped => {}
                },
                () = self.hold.cancel_requested(), if !self.seen_cancel => {
                    self.seen_cancel = true;
                    return Some(Event::CancelRequested);
                }
                () = self.hold.pause_requested(), if !self.seen_pause => {
                    self.seen_pause = true;
                    return Some(Event::PauseRequested);
                }
                signals = self.hold.signalled() => return Some(Event::Signalled(signals)),
                stage = next_stage(&mut self.drain, self.seen_drain) => {
                    self.seen_drain = stage;
                    return Some(if stage == Drain::Deadline { Event::DrainDeadline } else { Event::Drain });
                }
                () = sleep_until(wakes_at, self.shared.clock.as_ref()) => return Some(Event::Tick),
            }
        }
    }
}

async fn answer(recording: &mut Option<oneshot::Receiver<Committed>>) -> Committed {
    match recording {
        // A committer that is gone takes its process with it; nobody will ever know.
        Some(receiver) => receiver.await.unwrap_or(Committed::Refused),
        None => pending().await,
    }
}

async fn next_stage(drain: &mut watch::Receiver<Drain>, seen: Drain) -> Drain {
    let stage = drain
        .wait_for(|stage| *stage > seen)
        .await
        .map(|stage| *stage);
    match stage {
        Ok(stage) => stage,
        Err(_) => pending().await,
    }
}

async fn sleep_until(at: Option<Timestamp>, clock: &dyn Clock) {
    match at {
        None => pending().await,
        Some(at) => {
            let wait = Duration::try_from(at.duration_since(clock.now())).unwrap_or(Duration::ZERO);
            // Never less than a moment: the clock may be a little behind the timer.
            sleep(wait.max(Duration::from_millis(1))).await;
        }
    }
}

enum Ended {
    Call(Place, u32, Result<Success, Stopped>),
    Stopped,
}

/// The calls of one execution that are out. Dropped, it stops them. One that only computes has none.
#[derive(Default)]
struct Calls(Option<Box<Out>>);

struct Out {
    tasks: JoinSet<Result<Success, Stopped>>,
    by_id: HashMap<Id, OutCall>,
    reserved: mpsc::UnboundedReceiver<Reservation>,
    sender: mpsc::UnboundedSender<Reservation>,
}

type Reservation = (Place, u32, Option<uuid::Uuid>);

struct OutCall {
    place: Place,
    attempt: u32,
    kind: &'static str,
    since: Instant,
    handle: AbortHandle,
}

impl Out {
    fn new() -> Self {
        let (sender, reserved) = mpsc::unbounded_channel();
        Self {
            tasks: JoinSet::new(),
            by_id: HashMap::new(),
            reserved,
            sender,
        }
    }
}

impl Calls {
    fn start(&mut self, call: Call, perform: Arc<dyn Perform>) {
        let out = self.0.get_or_insert_with(|| Box::new(Out::new()));
        let (place, attempt, kind) = (call.place, call.attempt, call.kind.as_str());
        let reserved = Reserved {
            sender: out.sender.clone(),
        };
        let handle = out
            .tasks
            .spawn(async move { perform.perform(call, reserved).await });
        out.by_id.insert(
            handle.id(),
            OutCall {
                place,
                attempt,
                kind,
                since: Instant::now(),
                handle,
            },
        );
    }

    fn stop(&mut self, place: Place) {
        let calls = self.0.iter().flat_map(|out| out.by_id.values());
        calls
            .filter(|call| call.place == place)
            .for_each(|call| call.handle.abort());
    }

    /// What a call has said that it set aside.
    fn reserved(&mut self) -> Option<Reservation> {
        self.0.as_mut()?.reserved.try_recv().ok()
    }

    async fn next(&mut self) -> Ended {
        let Some(out) = &mut self.0 else {
            return pending().await;
        };
        let Some(joined) = out.tasks.join_next_with_id().await else {
            return pending().await;
        };
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(call) = out.by_id.remove(&id) else {
            return Ended::Stopped;
        };
        let result = match joined {
            Ok((_, result)) => result,
            Err(error) if error.is_cancelled() => return Ended::Stopped,
            Err(_) => {
                tracing::error!(node = call.place.node, kind = call.kind, "a step panicked");
                Err(Failure::new(
                    "internal_error",
                    "the worker has a fault in this kind of step; its log says more",
                )
                .into())
            }
        };
        let status = if result.is_ok() {
            "succeeded"
        } else {
            "failed"
        };
        metrics::counter!("aias_worker_steps_total", "kind" => call.kind, "status" => status)
            .increment(1);
        metrics::histogram!("aias_worker_step_seconds", "kind" => call.kind)
            .record(call.since.elapsed().as_secs_f64());
        Ended::Call(call.place, call.attempt, result)
    }
}
