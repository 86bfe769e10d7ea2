//! A provider that fails is left alone, and asked again by one call at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, stream};
use llm::{
    BreakerPolicy, ChatEvent, ChatRequest, ErrorKind, EventStream, FinishReason, LlmError,
    Provider, Providers, RetryPolicy, TimeoutPhase, Usage,
};
use tokio::sync::{Barrier, Semaphore};
use tokio::time::{sleep, timeout};

use crate::support::{BEGINNING, MODELS, Reply, Socket, answer, builder};

const ONCE: RetryPolicy = RetryPolicy {
    max_attempts: 1,
    initial: Duration::ZERO,
    max: Duration::ZERO,
    max_retry_after: Duration::ZERO,
};

/// Opens after two failures, for longer than any test takes.
const TWO: BreakerPolicy = BreakerPolicy {
    failures: 2,
    cool_down: Duration::from_secs(3600),
    max_cool_down: Duration::from_secs(3600),
    patience: Duration::ZERO,
};

fn once(url: &str) -> Providers {
    builder(url).retry(ONCE).breaker(TWO).build().unwrap()
}

fn ask(model: &str) -> ChatRequest {
    ChatRequest::new(model).user("hi")
}

#[tokio::test]
async fn a_failing_provider_is_left_alone_and_the_next_model_asked() {
    for (model, fallback) in [
        (MODELS[0], MODELS[1]),
        (MODELS[1], MODELS[2]),
        (MODELS[2], MODELS[3]),
        (MODELS[3], MODELS[0]),
    ] {
        let broken = Reply::status(500, &[], "");
        let socket = Socket::start(vec![broken.clone(), broken, answer()]).await;
        let providers = once(socket.url());
        for _ in 0..2 {
            let error = providers.complete(&ask(model)).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::ProviderError { status: 500 });
        }
        let error = providers.complete(&ask(model)).await.unwrap_err();
        assert_eq!(
            (error.code(), error.attempts, error.is_retryable()),
            ("circuit_open", 0, true)
        );
        let wait = error.retry_after().unwrap();
        assert!(wait > Duration::from_secs(1700) && wait <= Duration::from_secs(3600));
        assert!(
            error.to_string().starts_with(&format!(
                "{model}: the provider failed several times in a row"
            )),
            "{error}"
        );
        assert_eq!(socket.requests().len(), 2, "{model}");

        // Another provider is another circuit.
        let mut request = ask(model);
        request.fallback_models = vec![fallback.into()];
        let answer = providers.complete(&request).await.unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.model.as_str(), answer.attempts),
            ("hi", fallback, 1)
        );
        assert_eq!(socket.requests().len(), 3, "{model}");
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong_opens_nothing() {
    for model in MODELS {
        for (status, headers) in [
            (400, [].as_slice()),
            (401, &[]),
            (404, &[]),
            (429, &[("Retry-After", "60")]),
        ] {
            let socket = Socket::start(vec![Reply::status(status, headers, "")]).await;
            let providers = once(socket.url());
            for _ in 0..5 {
                let error = providers.complete(&ask(model)).await.unwrap_err();
                assert_ne!(error.code(), "circuit_open", "{model}: {status}");
            }
            assert_eq!(socket.requests().len(), 5, "{model}: {status}");
        }
    }
}

#[tokio::test]
async fn silence_refused_connections_and_overload_open_it() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let silent = Socket::start(vec![Reply::events(&[]).then_silent()]).await;
    let overloaded = Socket::start(vec![Reply::status(503, &[("Retry-After", "1")], "")]).await;
    for model in MODELS {
        for (url, kind) in [
            (format!("http://{free}"), ErrorKind::Connection),
            (
                silent.url().to_owned(),
                ErrorKind::Timeout {
                    phase: TimeoutPhase::FirstToken,
                },
            ),
            (
                overloaded.url().to_owned(),
                ErrorKind::Overloaded {
                    retry_after: Some(Duration::from_secs(1)),
                },
            ),
        ] {
            let providers = once(&url);
            let mut request = ask(model);
            request.timeouts.first_token = Duration::from_millis(200);
            for _ in 0..2 {
                assert_eq!(providers.complete(&request).await.unwrap_err().kind, kind);
            }
            let error = providers.complete(&request).await.unwrap_err();
            assert_eq!(error.code(), "circuit_open", "{model}: {kind:?}");
        }
    }
}

#[tokio::test]
async fn a_callers_haste_shuts_nobody_out() {
    let socket = Socket::start(vec![Reply::events(&[]).then_silent()]).await;
    let patient = BreakerPolicy {
        patience: Duration::from_secs(3600),
        ..TWO
    };
    let providers = builder(socket.url())
        .retry(ONCE)
        .breaker(patient)
        .build()
        .unwrap();
    let mut request = ask(MODELS[0]);
    request.timeouts.first_token = Duration::from_millis(50);
    for _ in 0..4 {
        let error = providers.complete(&request).await.unwrap_err();
        assert_eq!(error.code(), "timeout");
    }
}

#[tokio::test]
async fn a_retry_does_not_wait_for_a_circuit_that_its_own_failure_opened() {
    let socket = Socket::start(vec![Reply::status(502, &[], "")]).await;
    let providers = builder(socket.url()).breaker(TWO).build().unwrap();
    let error = providers.complete(&ask(MODELS[0])).await.unwrap_err();
    // What happened is said, not what came of it.
    assert_eq!(
        (error.kind, error.attempts),
        (ErrorKind::ProviderError { status: 502 }, 2)
    );
    assert_eq!(socket.requests().len(), 2);
}

#[tokio::test]
async fn a_stream_that_breaks_after_it_began_is_no_failure_to_answer() {
    let socket = Socket::start(vec![Reply::events(&[BEGINNING]).torn()]).await;
    let providers = once(socket.url());
    for _ in 0..4 {
        let error = providers.complete(&ask(MODELS[0])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connection);
    }
}

/// Fails when it is told to, and otherwise answers when it is let.
struct Moody {
    calls: AtomicUsize,
    left: AtomicUsize,
    may_answer: Semaphore,
}

impl Moody {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            may_answer: Semaphore::new(0),
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Provider for Moody {
    fn chat<'a>(
        &'a self,
        model: &'a str,
        _: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<EventStream, LlmError>> {
        struct Leaves<'a>(&'a AtomicUsize);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let _leaves = Leaves(&self.left);
            if model == "fails" {
                return Err(LlmError::new(ErrorKind::Connection, "no"));
            }
            self.may_answer.acquire().await.unwrap().forget();
            let events = [
                ChatEvent::Text("hi".into()),
                ChatEvent::Finished {
                    reason: FinishReason::Stop,
                    usage: Usage::default(),
                },
            ];
            Ok(stream::iter(events.map(Ok)).boxed())
        }
        .boxed()
    }
}

/// A registry whose provider `moody` has failed until its circuit opened.
async fn opened(moody: &Arc<Moody>, policy: BreakerPolicy) -> Providers {
    let providers = Providers::builder()
        .retry(ONCE)
        .breaker(policy)
        .build()
        .unwrap()
        .with("moody", moody.clone());
    for _ in 0..policy.failures {
        providers.complete(&ask("moody/fails")).await.unwrap_err();
    }
    providers
}

const TASKS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_who_come_after_the_cool_down_one_goes_through() {
    let at_once = BreakerPolicy {
        cool_down: Duration::ZERO,
        ..TWO
    };
    for _ in 0..20 {
        let moody = Moody::new();
        let providers = opened(&moody, at_once).await;
        let before = moody.calls();
        let start = Arc::new(Barrier::new(TASKS));
        let refused = Arc::new(AtomicUsize::new(0));
        let tasks = (0..TASKS).map(|_| {
            let (providers, moody) = (providers.clone(), moody.clone());
            let (start, refused) = (start.clone(), refused.clone());
            tokio::spawn(async move {
                start.wait().await;
                // If more than one goes through, nobody lets them answer.
                let mut request = ask("moody/answers");
                request.timeouts.total = Duration::from_secs(20);
                let result = providers.complete(&request).await;
                if let Err(error) = &result {
                    assert_eq!(error.code(), "circuit_open");
                    // The probe is answered when all the others were refused.
                    if refused.fetch_add(1, Ordering::SeqCst) + 2 == TASKS {
                        moody.may_answer.add_permits(TASKS);
                    }
                }
                result.is_ok()
            })
        });
        let answered = join_all(tasks).await;
        let answered = answered.into_iter().filter(|task| *task.as_ref().unwrap());
        assert_eq!((answered.count(), moody.calls() - before), (1, 1));
        assert!(providers.complete(&ask("moody/answers")).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_call_after_the_cool_down_decides() {
    let moody = Moody::new();
    let providers = opened(&moody, TWO).await;
    let wait = async || {
        let error = providers.complete(&ask("moody/answers")).await.unwrap_err();
        let ErrorKind::CircuitOpen { retry_after } = error.kind else {
            panic!("{error:?}");
        };
        sleep(retry_after).await;
    };
    wait().await;
    assert_eq!(moody.calls(), 2);
    let error = providers.complete(&ask("moody/fails")).await.unwrap_err();
    assert_eq!((error.kind, moody.calls()), (ErrorKind::Connection, 3));

    wait().await;
    moody.may_answer.add_permits(1);
    providers.complete(&ask("moody/answers")).await.unwrap();
    // It is closed: one failure alone opens nothing.
    providers.complete(&ask("moody/fails")).await.unwrap_err();
    moody.may_answer.add_permits(1);
    providers.complete(&ask("moody/answers")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_holds_no_place() {
    let moody = Moody::new();
    let providers = opened(&moody, TWO).await;
    sleep(Duration::from_secs(3600)).await;
    for round in 1..=3 {
        // Nobody answers it, and its caller goes away.
        let request = ask("moody/answers");
        let mut probe = Box::pin(providers.complete(&request));
        assert!(
            timeout(Duration::from_secs(1), &mut probe).await.is_err(),
            "{round}"
        );
        let error = providers.complete(&request).await.unwrap_err();
        assert_eq!(error.code(), "circuit_open", "{round}");
        drop(probe);
        assert_eq!(moody.left.load(Ordering::SeqCst), 2 + round);
    }
    moody.may_answer.add_permits(1);
    providers.complete(&ask("moody/answers")).await.unwrap();
    assert_eq!(moody.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_task_is_aborted_holds_no_place_either() {
    let moody = Moody::new();
    let providers = opened(&moody, TWO).await;
    sleep(Duration::from_secs(3600)).await;
    let probe = tokio::spawn({
        let providers = providers.clone();
        async move { providers.complete(&ask("moody/answers")).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(moody.calls(), 3);
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    moody.may_answer.add_permits(1);
    providers.complete(&ask("moody/answers")).await.unwrap();
}
