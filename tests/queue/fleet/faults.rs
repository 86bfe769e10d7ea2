//! The simulation sees what it is there for: with one thing broken in a function, a few seeds are enough.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, PgPool};

use super::{change_function, play, stage};

struct Fault {
    function: &'static str,
    from: &'static str,
    to: &'static str,
    /// What the simulation says of it, in one of these ways.
    seen_as: &'static [&'static str],
}

/// An execution is ready, and no claim brings it.
const LEFT: &[&str] = &[
    "was left, though there was room",
    "more urgent or older",
    "jobs are left",
];

const FAULTS: &[Fault] = &[
    // The cap of a tenant does not count.
    Fault {
        function: "queue.pick",
        from: "case when t.max_running is null",
        to: "case when true",
        seen_as: &["are running, its cap is"],
    },
    // A workflow's cap is kept in each of its lanes, and not over them.
    Fault {
        function: "queue.pick",
        from: "where p.place_in_workflow <= p.workflow_room",
        to: "",
        seen_as: &["are running, its cap is"],
    },
    // Nobody hears of a suspension.
    Fault {
        function: "queue.pick",
        from: "and t.is_active",
        to: "",
        seen_as: &["its tenant is suspended"],
    },
    // The least urgent comes first.
    Fault {
        function: "queue.pick",
        from: "(partition by p.tenant_id order by p.priority desc",
        to: "(partition by p.tenant_id order by p.priority",
        seen_as: &["more urgent or older"],
    },
    // No places are kept.
    Fault {
        function: "queue.pick",
        from: "t.number <= max_jobs - kept or not t.is_one_of_many",
        to: "true",
        seen_as: &["that have more than a few"],
    },
    // Only the first claim raises the token.
    Fault {
        function: "queue.claim",
        from: "fencing_token = j.fencing_token + 1",
        to: "fencing_token = greatest(j.fencing_token, 1)",
        seen_as: &["was claimed with token"],
    },
    // What was offered is taken, whatever its tenant's cap is by now.
    Fault {
        function: "queue.record",
        from: "and t.max_running is null",
        to: "",
        seen_as: &["and should be", "are running, its cap is"],
    },
    // And whatever its workflow's is.
    Fault {
        function: "queue.record",
        from: "and w.max_concurrency is null",
        to: "",
        seen_as: &["and should be", "are running, its cap is"],
    },
    // Nobody hears of a suspension.
    Fault {
        function: "queue.record",
        from: "t.is_active and",
        to: "",
        seen_as: &["and should be"],
    },
    // One that somebody has had is taken as if it were new.
    Fault {
        function: "queue.record",
        from: "g.fencing_token = 0 and not j.has_steps",
        to: "true",
        seen_as: &["and should be", "a refused record", "said again"],
    },
    // The same of what is recorded whole.
    Fault {
        function: "queue.record_whole",
        from: "and t.max_running is null",
        to: "",
        seen_as: &["and should be", "are running, its cap is"],
    },
    Fault {
        function: "queue.record_whole",
        from: "and w.max_concurrency is null",
        to: "",
        seen_as: &["and should be", "are running, its cap is"],
    },
    Fault {
        function: "queue.record_whole",
        from: "t.is_active and",
        to: "",
        seen_as: &["and should be"],
    },
    Fault {
        function: "queue.record_whole",
        from: "j.ready_in is not null and j.fencing_token = 0 and not j.has_steps",
        to: "true",
        seen_as: &["and should be", "a refused record", "said again"],
    },
    // What goes on is nobody's.
    Fault {
        function: "queue.take_offered",
        from: "and statuses[o.n] = 'running'",
        to: "and false",
        seen_as: &[
            "was claimed, but it is Claimed",
            "and should be",
            "renewed is false",
        ],
    },
    // A lane remembers that more was taken than was.
    Fault {
        function: "queue.claim",
        from: "order by j.ready_in, j.execution_id limit 1",
        to: "order by j.ready_in desc, j.execution_id limit 1",
        seen_as: LEFT,
    },
    // The same of what one transaction made ready.
    Fault {
        function: "queue.claim",
        from: "order by j.ready_in, j.execution_id limit 1",
        to: "order by j.ready_in, j.execution_id desc limit 1",
        seen_as: LEFT,
    },
    // A record is taken from whoever holds the job, whatever its token says.
    Fault {
        function: "queue.record",
        from: "j.fencing_token = g.fencing_token and case",
        to: "case",
        seen_as: &["and should be", "a refused record", "said again"],
    },
    // The token alone counts.
    Fault {
        function: "queue.record",
        from: "when 'claimed' then j.claimed_by = worker",
        to: "when 'claimed' then true",
        seen_as: &["and should be", "a refused record", "said again"],
    },
    // One that was taken over is renewed for its old worker.
    Fault {
        function: "queue.renew",
        from: "j.fencing_token = h.fencing_token and j.claimed_by = worker",
        to: "j.claimed_by is not null",
        seen_as: &["renewed is true"],
    },
    // Who renews is not counted among the living.
    Fault {
        function: "queue.renew",
        from: "update queue.workers w set seen_at = now()",
        to: "update queue.workers w set seen_at = w.seen_at",
        seen_as: &["are running, its cap is"],
    },
    // Nobody takes up what the dead have left.
    Fault {
        function: "queue.make_due_ready",
        from: "with_leases and j.state = 'claimed'",
        to: "false and j.state = 'claimed'",
        seen_as: LEFT,
    },
    // A lease is over before its end.
    Fault {
        function: "queue.make_due_ready",
        from: "j.state = 'claimed' and j.run_at <= now()",
        to: "j.state = 'claimed' and j.run_at <= now() + interval '1000 seconds'",
        seen_as: &[
            "was claimed, but it is Claimed",
            "and should be",
            "renewed is false",
        ],
    },
    // A timer wakes too early.
    Fault {
        function: "queue.make_due_ready",
        from: "j.state = 'waiting' and j.run_at <= now()",
        to: "j.state = 'waiting' and j.run_at <= now() + interval '1000 seconds'",
        seen_as: &["was claimed, but it is Waiting"],
    },
    // What came while a worker held it is slept over.
    Fault {
        function: "queue.keep_jobs",
        from: "k.is_woken or",
        to: "",
        seen_as: LEFT,
    },
    // A cancelled execution goes to sleep.
    Fault {
        function: "queue.keep_jobs",
        from: "x.cancels or",
        to: "",
        seen_as: LEFT,
    },
    // Nobody is told that something came.
    Fault {
        function: "queue.deliver",
        from: "perform queue.wake(tenant, execution);",
        to: "",
        seen_as: LEFT,
    },
];

const SEEDS: std::ops::Range<u64> = 0..100;

#[sqlx::test(migrations = "../migrations")]
async fn a_fault_is_found(pool: PgPool) {
    let mut session = stage(pool).await;
    for fault in FAULTS {
        let whole = change_function(&mut session, fault.function, fault.from, fault.to).await;
        let Some(words) = search(&mut session).await else {
            panic!(
                "{} without {:?}: nobody sees it",
                fault.function, fault.from
            );
        };
        assert!(
            fault.seen_as.iter().any(|seen| words.contains(seen)),
            "{} without {:?} is seen as something else: {words}",
            fault.function,
            fault.from
        );
        sqlx::raw_sql(AssertSqlSafe(whole))
            .execute(&mut session)
            .await
            .unwrap();
    }
}

async fn search(session: &mut PgConnection) -> Option<String> {
    for seed in SEEDS {
        if let Err(words) = play(session, seed).await {
            return Some(words);
        }
    }
    None
}
