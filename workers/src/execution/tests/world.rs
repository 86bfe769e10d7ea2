//! A database in memory, and the hands that a [`Run`] needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;
use workflow::Plan;
use workflow::expression::Engine;

use crate::execution::{Action, Event, Limits, Run};
use crate::nodes::{Call, Failure, Success};
use crate::queue::{Claim, ExecutionKey, Job, Record, RecordedStep, StepRecord};
use crate::state::{ExecutionStatus, StepStatus};

pub struct World {
    pub plan: Arc<Plan>,
    pub now: Timestamp,
    pub rows: BTreeMap<String, StepRecord>,
    pub status: ExecutionStatus,
    pub run_at: Option<Timestamp>,
    pub output: Option<Value>,
    pub error: Option<Value>,
    pub commits: usize,
    pub token: i64,
    pub cancel_requested: bool,
    pub claims_without_progress: i16,
    pub input: Value,
    pub run: Option<Run>,
    pub out: Vec<Call>,
    pub stopped: Vec<String>,
    pub record: Option<Record>,
    pub left: Option<ExecutionStatus>,
}

pub fn started_at() -> Timestamp {
    "2026-01-31T09:00:00Z".parse().unwrap()
}

impl World {
    pub fn new(nodes: Value, connections: Value) -> Self {
        let plan =
            workflow::plan(&nodes, &connections).unwrap_or_else(|problems| panic!("{problems:?}"));
        Self {
            plan: Arc::new(plan),
            now: started_at(),
            rows: BTreeMap::new(),
            status: ExecutionStatus::Queued,
            run_at: None,
            output: None,
            error: None,
            commits: 0,
            token: 0,
            cancel_requested: false,
            claims_without_progress: 0,
            input: json!({"n": 7}),
            run: None,
            out: Vec::new(),
            stopped: Vec::new(),
            record: None,
            left: None,
        }
    }

    /// A worker claims it; the one before, if there was one, is gone with all it had in memory.
    pub fn claim(&mut self) {
        self.token += 1;
        self.claims_without_progress += 1;
        self.status = ExecutionStatus::Running;
        self.out.clear();
        self.record = None;
        self.left = None;
        let steps = self.rows.values().map(|row| RecordedStep {
            node_id: row.node_id.clone(),
            item: row.item,
            status: row.status,
            attempt: row.attempt,
            handle: row.handle.clone(),
            output: row.output.as_deref().cloned(),
            error: row.error.clone(),
            run_at: row.run_at,
        });
        let job = Job {
            claim: Claim {
                key: ExecutionKey {
                    tenant_id: Uuid::nil(),
                    execution_id: Uuid::from_u128(0xe1),
                },
                fencing_token: self.token,
            },
            claims_without_progress: self.claims_without_progress,
            workflow_id: Uuid::nil(),
            workflow_version: 1,
            input: self.input.clone(),
            started_at: started_at(),
            cancel_requested: self.cancel_requested,
            pause_requested: false,
            depth: 0,
            steps: steps.collect(),
            signals: Vec::new(),
            unreadable: None,
        };
        let (run, actions) = Run::begin(
            job,
            Arc::clone(&self.plan),
            "Alpha",
            Arc::new(Engine::new()),
            Limits::default(),
            self.now,
        );
        self.run = Some(run);
        self.act(actions);
    }

    pub fn tell(&mut self, event: Event) {
        let actions = self
            .run
            .as_mut()
            .expect("somebody holds it")
            .on(event, self.now);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Record(record) => {
                    assert!(self.record.is_none(), "one record at a time");
                    self.record = Some(*record);
                }
                Action::Start(call) => {
                    let row = &self.rows[&self.plan.nodes[call.node].id];
                    assert_eq!(
                        (row.status, row.attempt),
                        (StepStatus::Running, call.attempt),
                        "begun before it was recorded"
                    );
                    self.out.push(*call);
                }
                Action::Stop { node } => {
                    self.out.retain(|call| call.node != node);
                    self.stopped.push(self.plan.nodes[node].id.clone());
                }
                Action::Leave(left) => {
                    assert!(self.left.is_none() && self.record.is_none());
                    assert_eq!(left.run_at, self.run_at);
                    self.left = Some(left.status);
                }
            }
        }
    }

    /// Commits what is asked for, as `queue.record` does, and says so.
    pub fn commit(&mut self) -> bool {
        let Some(record) = self.record.take() else {
            return false;
        };
        self.apply(record);
        let cancel_requested = self.cancel_requested;
        self.tell(Event::Recorded { cancel_requested });
        true
    }

    /// As the database does it.
    pub fn apply(&mut self, record: Record) {
        assert_eq!(record.fencing_token, self.token);
        assert!(!self.status.is_final(), "recorded after the end");
        self.commits += 1;
        self.claims_without_progress = 0;
        for step in record.steps {
            if let Some(row) = self.rows.get(&step.node_id) {
                assert!(
                    !row.status.is_final(),
                    "{} was {} and becomes {}",
                    step.node_id,
                    row.status,
                    step.status
                );
                assert!(step.attempt >= row.attempt);
            }
            assert_eq!(step.status == StepStatus::Waiting, step.run_at.is_some());
            assert!(step.status != StepStatus::Failed || step.error.is_some());
            self.rows.insert(step.node_id.clone(), step);
        }
        assert_eq!(
            record.status == ExecutionStatus::Waiting,
            record.run_at.is_some()
        );
        if record.status.is_final() {
            for row in self.rows.values() {
                assert!(
                    row.status.is_final(),
                    "{} is {} at the end",
                    row.node_id,
                    row.status
                );
            }
        }
        self.status = record.status;
        self.run_at = record.run_at;
        self.output = record.output;
        self.error = record.error;
    }

    pub fn commit_all(&mut self) {
        while self.commit() {}
    }

    /// A call that is out ends.
    pub fn end(&mut self, node: &str, result: Result<Value, Failure>) {
        let node = self.plan.position(node).expect("there is such a node");
        let at = self
            .out
            .iter()
            .position(|call| call.node == node)
            .expect("the call is out");
        let call = self.out.remove(at);
        let result = result.map(Success::from);
        self.tell(Event::Ended {
            node,
            attempt: call.attempt,
            result,
        });
    }

    pub fn pass(&mut self, seconds: f64) {
        self.now += SignedDuration::from_secs_f64(seconds);
        self.tell(Event::Tick);
    }

    pub fn out(&self) -> Vec<&str> {
        self.out
            .iter()
            .map(|call| self.plan.nodes[call.node].id.as_str())
            .collect()
    }

    pub fn row(&self, node: &str) -> (StepStatus, u32) {
        let row = &self.rows[node];
        (row.status, row.attempt)
    }

    pub fn statuses(&self) -> Vec<(&str, &'static str)> {
        self.rows
            .iter()
            .map(|(node, row)| (node.as_str(), row.status.as_str()))
            .collect()
    }
}

pub fn trigger() -> Value {
    json!({"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}})
}

pub fn node(id: &str, config: Value) -> Value {
    let node_type = match config["kind"].as_str() {
        Some("if" | "switch") => "condition",
        Some("chat") => "ai_processing",
        _ => "action",
    };
    json!({"id": id, "type": node_type, "position": {"x": 0, "y": 0}, "config": config})
}

/// An HTTP step, with more fields of the node.
pub fn http(id: &str, more: Value) -> Value {
    let mut node = node(id, json!({"kind": "http", "url": "https://api.example/"}));
    for (name, value) in more.as_object().into_iter().flatten() {
        node[name] = value.clone();
    }
    node
}

/// `a->b`, or `a:handle->b`.
pub fn edges(texts: &[&str]) -> Value {
    texts
        .iter()
        .map(|text| {
            let (from, to) = text.split_once("->").expect("an arrow");
            match from.split_once(':') {
                None => json!({"source": from, "target": to}),
                Some((from, handle)) => {
                    json!({"source": from, "target": to, "sourceHandle": handle})
                }
            }
        })
        .collect()
}

pub fn broken() -> Failure {
    Failure::new("http_status", "answered 503").retryable(true)
}
