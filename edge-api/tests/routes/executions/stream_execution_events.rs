use std::time::Duration;

use sqlx::PgPool;
use tests::seed::{ALPHA_OWNER, ALPHA_VIEWER, BETA_OWNER};
use uuid::Uuid;

use crate::support::app::listeners;
use crate::support::events::Event;
use crate::support::{EventReader, SECRET, TestApp, Worker};

async fn next(events: &mut EventReader) -> String {
    events
        .next()
        .await
        .map_or("end".to_owned(), |event| event.summary())
}

#[sqlx::test(migrations = "../migrations")]
async fn an_execution_from_queue_to_end(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let mut events = app.events(ALPHA_VIEWER, id).await;
    assert_eq!(next(&mut events).await, "execution queued");

    let worker = Worker::claim(&app.pool, id).await;
    // Taken up, and nothing is recorded.
    events.nothing_for(Duration::from_millis(500)).await;
    worker
        .record(&[("start", "succeeded"), ("greet", "running")])
        .await;
    assert_eq!(next(&mut events).await, "execution running");
    assert_eq!(next(&mut events).await, "step start succeeded 1");
    assert_eq!(next(&mut events).await, "step greet running 2");
    worker.record(&[("greet", "succeeded")]).await;
    assert_eq!(next(&mut events).await, "step greet succeeded 4");
    worker.finish("succeeded", &[("reply", "succeeded")]).await;
    assert_eq!(next(&mut events).await, "step reply succeeded 6");
    assert_eq!(next(&mut events).await, "execution succeeded");
    assert_eq!(events.next().await, None);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_step_event_is_the_row(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    Worker::claim(&app.pool, id)
        .await
        .finish("failed", &[("start", "failed")])
        .await;
    let event = app.events(ALPHA_OWNER, id).await.next().await.unwrap();
    let row: serde_json::Value =
        sqlx::query_scalar("select row_to_json(s)::jsonb from public.execution_steps s")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert_eq!((event.json(), event.id), (row, Some(1)));
}

#[sqlx::test(migrations = "../migrations")]
async fn the_end_of_a_finished_execution_comes_after_its_steps(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    Worker::claim(&app.pool, id)
        .await
        .finish("failed", &[("start", "succeeded"), ("greet", "failed")])
        .await;
    let mut events = app.events(ALPHA_OWNER, id).await;
    assert_eq!(
        events.rest().await,
        [
            "step start succeeded 1",
            "step greet failed 2",
            "execution failed"
        ]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_long_history_comes_whole_and_in_order(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let names: Vec<String> = (0..250).map(|n| format!("n{n}")).collect();
    let steps: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), "succeeded"))
        .collect();
    Worker::claim(&app.pool, id)
        .await
        .finish("succeeded", &steps)
        .await;
    let seen = app.events(ALPHA_OWNER, id).await.rest().await;
    let expected = (0..250)
        .map(|n| format!("step n{n} succeeded {}", n + 1))
        .chain(["execution succeeded".to_owned()]);
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

/// A client that drops its connection after every event and comes back with the last id sees what one that stays sees.
#[sqlx::test(migrations = "../migrations")]
async fn resuming_loses_and_repeats_nothing(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let worker = Worker::claim(&app.pool, id).await;
    let work = async {
        for n in 0..30 {
            worker
                .record(&[
                    (&format!("a{n}"), "succeeded"),
                    (&format!("b{n}"), "succeeded"),
                ])
                .await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        worker.finish("succeeded", &[("last", "succeeded")]).await;
    };
    let follow = async {
        let mut steps: Vec<Event> = Vec::new();
        let mut round = 0;
        loop {
            let last = steps
                .last()
                .and_then(|step| step.id)
                .unwrap_or(0)
                .to_string();
            let request = app.get(&format!(
                "/v1/executions/{id}/events?last_event_id={}",
                if round % 2 == 0 { &last } else { "0" }
            ));
            let request = if round % 2 == 0 {
                request
            } else {
                request.header("last-event-id", &last)
            };
            let mut events = request.by(ALPHA_OWNER).stream().await;
            round += 1;
            for _ in 0..2 {
                match events.next().await {
                    Some(event) if event.name == "step" => steps.push(event),
                    Some(event) if event.summary() == "execution succeeded" => return steps,
                    Some(_) => {}
                    None => panic!("ended without a final status"),
                }
            }
        }
    };
    let (steps, ()) = tokio::join!(follow, work);

    let seen: Vec<_> = steps
        .iter()
        .map(|step| {
            (
                step.id.unwrap(),
                step.json()["node_id"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let rows: Vec<(i64, String)> =
        sqlx::query_as("select revision, node_id from public.execution_steps order by revision")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(rows.len(), 61);
    assert_eq!(seen, rows);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_id_that_was_never_given_out_starts_again(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    Worker::claim(&app.pool, id)
        .await
        .finish("succeeded", &[("start", "succeeded")])
        .await;
    let path = format!("/v1/executions/{id}/events");
    let mut events = app
        .get(&path)
        .header("last-event-id", "999")
        .by(ALPHA_OWNER)
        .stream()
        .await;
    assert_eq!(
        events.rest().await,
        ["step start succeeded 1", "execution succeeded"]
    );
    for nonsense in ["-1", "abc", "99999999999999999999"] {
        let answer = app
            .get(&path)
            .header("last-event-id", nonsense)
            .by(ALPHA_OWNER)
            .send()
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, "invalid_last_event_id"),
            "{nonsense}"
        );
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_is_not_visible_is_404(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    for (person, id) in [(BETA_OWNER, id), (ALPHA_OWNER, Uuid::now_v7())] {
        let answer = app
            .get(&format!("/v1/executions/{id}/events"))
            .by(person)
            .send()
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "not_found")
        );
    }
    assert!(app.app.streams().watchers().is_empty());
}

#[sqlx::test(migrations = "../migrations")]
async fn a_member_who_is_removed_sees_no_more(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let mut events = app.events(ALPHA_VIEWER, id).await;
    assert_eq!(next(&mut events).await, "execution queued");

    sqlx::query("delete from public.memberships where user_id = $1")
        .bind(ALPHA_VIEWER.id)
        .execute(&app.pool)
        .await
        .unwrap();
    Worker::claim(&app.pool, id)
        .await
        .record(&[("start", "succeeded")])
        .await;
    assert_eq!(events.rest().await, ["error not_found"]);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_token_that_expires_ends_the_stream(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let mut claims = ALPHA_OWNER.claims();
    // Of the ten seconds of leeway, one and a bit are left.
    claims.exp -= 3600 + 8;
    let mut events = app
        .get(&format!("/v1/executions/{id}/events"))
        .bearer(&claims.sign(SECRET))
        .stream()
        .await;
    assert_eq!(
        events.rest().await,
        ["execution queued", "error token_expired"]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_server_that_stops_says_good_bye(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let mut events = app.events(ALPHA_OWNER, id).await;
    assert_eq!(next(&mut events).await, "execution queued");
    app.stopping.cancel();
    assert_eq!(
        events.rest().await,
        ["comment this server is stopping; resume with the last event id"]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_client_that_leaves_leaves_nothing_behind(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let mut first = app.events(ALPHA_OWNER, id).await;
    let mut second = app.events(ALPHA_VIEWER, id).await;
    assert_eq!(next(&mut first).await, "execution queued");
    assert_eq!(next(&mut second).await, "execution queued");
    assert_eq!(app.app.streams().watchers().len(), 1);

    drop(first);
    let worker = Worker::claim(&app.pool, id).await;
    worker.record(&[("start", "running")]).await;
    assert_eq!(next(&mut second).await, "execution running");
    drop(second);
    assert!(app.app.streams().watchers().is_empty());
}

/// With polls an hour apart, only notifications can have brought this. That it was announced makes the stream look again, which brings no more
/// than the first of these.
#[sqlx::test(migrations = "../migrations")]
async fn a_notification_wakes_the_stream(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.limits.poll_interval = Duration::from_secs(3600)
    })
    .await
    .listening()
    .await;
    let id = app.start(ALPHA_OWNER).await;
    let mut events = app.events(ALPHA_OWNER, id).await;
    assert_eq!(next(&mut events).await, "execution queued");
    app.wait_until_announced(id).await;
    let worker = Worker::claim(&app.pool, id).await;
    worker.record(&[("start", "succeeded")]).await;
    assert_eq!(next(&mut events).await, "execution running");
    assert_eq!(next(&mut events).await, "step start succeeded 1");
    worker.record(&[("greet", "running")]).await;
    assert_eq!(next(&mut events).await, "step greet running 3");
    worker.finish("succeeded", &[("greet", "succeeded")]).await;
    assert_eq!(
        events.rest().await,
        ["step greet succeeded 5", "execution succeeded"]
    );
}

/// Nobody is notified of what happens before the database knows that somebody watches. Once it knows, the stream looks again: polls are an hour apart.
#[sqlx::test(migrations = "../migrations")]
async fn an_end_before_the_announcement_is_told_with_it(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.limits.poll_interval = Duration::from_secs(3600)
    })
    .await
    .listening()
    .await;
    let id = app.start(ALPHA_OWNER).await;
    let held = app.hold_announcements().await;
    let mut events = app.events(ALPHA_OWNER, id).await;
    assert_eq!(next(&mut events).await, "execution queued");
    app.wait_until_announcing().await;
    Worker::claim(&app.pool, id)
        .await
        .finish("succeeded", &[("start", "succeeded")])
        .await;
    events.nothing_for(Duration::from_millis(500)).await;

    held.rollback().await.unwrap();
    assert_eq!(
        events.rest().await,
        ["step start succeeded 1", "execution succeeded"]
    );
}

/// Changes made while the listening connection is cut arrive once it is back, without a poll.
#[sqlx::test(migrations = "../migrations")]
async fn a_listener_that_was_cut_off_catches_up(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.limits.poll_interval = Duration::from_secs(3600)
    })
    .await
    .listening()
    .await;
    let id = app.start(ALPHA_OWNER).await;
    let mut events = app.events(ALPHA_OWNER, id).await;
    assert_eq!(next(&mut events).await, "execution queued");
    app.wait_until_announced(id).await;
    let worker = Worker::claim(&app.pool, id).await;
    worker.record(&[("start", "running")]).await;
    assert_eq!(next(&mut events).await, "execution running");
    assert_eq!(next(&mut events).await, "step start running 1");

    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and query ilike 'listen %'";
    let mut arranging = app.pool.acquire().await.unwrap();
    assert_eq!(
        sqlx::query_scalar::<_, i64>(cut)
            .fetch_one(&mut *arranging)
            .await
            .unwrap(),
        1
    );
    worker.record(&[("start", "succeeded")]).await;
    assert_eq!(next(&mut events).await, "step start succeeded 3");
    app.wait_until("it listens again", async |pool| listeners(pool).await == 1)
        .await;
}

/// Nobody listens at all: each stream looks for itself.
#[sqlx::test(migrations = "../migrations")]
async fn a_lost_notification_is_made_up_for(pool: PgPool) {
    let app = TestApp::new(pool).await;
    assert_eq!(listeners(&app.pool).await, 0);
    let id = app.start(ALPHA_OWNER).await;
    let mut events = app.events(ALPHA_OWNER, id).await;
    assert_eq!(next(&mut events).await, "execution queued");
    Worker::claim(&app.pool, id)
        .await
        .finish("succeeded", &[])
        .await;
    assert_eq!(events.rest().await, ["execution succeeded"]);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_hundred_streams_hold_no_connection(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.database_connections = 2;
        configuration.limits.poll_interval = Duration::from_secs(3600);
    })
    .await
    .listening()
    .await;
    let id = app.start(ALPHA_OWNER).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        let mut events = app.events(ALPHA_VIEWER, id).await;
        assert_eq!(next(&mut events).await, "execution queued");
        streams.push(events);
    }
    app.wait_until_announced(id).await;
    let worker = Worker::claim(&app.pool, id).await;
    worker.record(&[("start", "succeeded")]).await;
    for events in &mut streams {
        assert_eq!(next(events).await, "execution running");
        assert_eq!(next(events).await, "step start succeeded 1");
    }
    let in_use = "select count(*) from pg_stat_activity where datname = current_database() and usename = 'aias_edge' and state <> 'idle'";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(in_use)
            .fetch_one(&app.pool)
            .await
            .unwrap(),
        0
    );

    // They have looked since they were announced: only notifications wake them now.
    worker.finish("succeeded", &[("greet", "succeeded")]).await;
    for events in &mut streams {
        assert_eq!(
            events.rest().await,
            ["step greet succeeded 3", "execution succeeded"]
        );
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn one_stream_more_than_allowed(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| configuration.limits.streams = 1).await;
    let id = app.start(ALPHA_OWNER).await;
    let first = app.events(ALPHA_OWNER, id).await;
    let refused = app
        .get(&format!("/v1/executions/{id}/events"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    insta::assert_snapshot!(refused.snapshot(), @r#"
    503 Service Unavailable
    retry-after: 1
    {
      "code": "overloaded",
      "details": null,
      "hint": "try again after the time in Retry-After",
      "message": "too many streams are open at the moment"
    }
    "#);
    drop(first);
    app.events(ALPHA_OWNER, id).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn nobody_takes_the_places_of_all(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.limits.streams_per_user = 2
    })
    .await;
    let id = app.start(ALPHA_OWNER).await;
    let first = app.events(ALPHA_OWNER, id).await;
    let _second = app.events(ALPHA_OWNER, id).await;
    let refused = app
        .get(&format!("/v1/executions/{id}/events"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    insta::assert_snapshot!(refused.snapshot(), @r#"
    429 Too Many Requests
    retry-after: 1
    {
      "code": "too_many_streams",
      "details": null,
      "hint": "close those that nobody looks at",
      "message": "you have too many streams open"
    }
    "#);
    app.events(ALPHA_VIEWER, id).await;
    drop(first);
    app.events(ALPHA_OWNER, id).await;
}
