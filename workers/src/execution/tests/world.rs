//! A database in memory, and the hands that a [`Run`] needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;
use workflow::Plan;
use workflow::expression::Engine;

use crate::execution::{Action, Event, Limits, Run};
use crate::nodes::{Call, Failure, Place, Success};
use crate::queue::{Claim, ExecutionKey, Job, Record, RecordedStep, Signal, StepRecord};
use crate::state::{ExecutionStatus, StepStatus};

pub struct World {
    pub plan: Arc<Plan>,
    pub now: Timestamp,
    /// By node id, or `node[item]`.
    pub rows: BTreeMap<String, StepRecord>,
    /// What steps wait for, by the same key, and what was delivered to them.
    pub waits: BTreeMap<String, Option<Value>>,
    /// Executions that were started by steps, and by key the last of them.
    pub children: usize,
    pub child_of: BTreeMap<String, usize>,
    /// Something came while it was held.
    pub is_woken: bool,
    pub depth: i16,
    pub pause_requested: bool,
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
            waits: BTreeMap::new(),
            children: 0,
            child_of: BTreeMap::new(),
            is_woken: false,
            depth: 0,
            pause_requested: false,
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
        self.is_woken = false;
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
            input: self.input.clone().into(),
            started_at: started_at(),
            cancel_requested: self.cancel_requested,
            pause_requested: self.pause_requested,
            depth: self.depth,
            steps: steps.collect(),
            signals: self.delivered(),
            unreadable: None,
        };
        let (run, actions) = Run::begin(
            job,
            Arc::clone(&self.plan),
            &"Alpha".into(),
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
                    let row = &self.rows[&self.key(call.place)];
                    assert_eq!(
                        (row.status, row.attempt),
                        (StepStatus::Running, call.attempt),
                        "begun before it was recorded"
                    );
                    self.out.push(*call);
                    assert!(self.out.len() <= Limits::default().calls_in_flight);
                }
                Action::Stop { place } => {
                    self.out.retain(|call| call.place != place);
                    self.stopped.push(self.key(place));
                }
                Action::Leave(left) => {
                    assert!(self.left.is_none() && self.record.is_none());
                    assert!(left.run_at == self.run_at || self.is_woken);
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
            let key = key(&step.node_id, step.item);
            if let Some(row) = self.rows.get(&key) {
                assert!(
                    !row.status.is_final(),
                    "{key} was {} and becomes {}",
                    row.status,
                    step.status
                );
                assert!(step.attempt >= row.attempt);
            }
            let is_waiting = step.status == StepStatus::Waiting;
            assert!(is_waiting || (step.run_at.is_none() && step.wait.is_none()));
            assert!(step.status != StepStatus::Failed || step.error.is_some());
            if step.wait.is_some() {
                self.waits.entry(key.clone()).or_default();
            }
            // A step that ended waits for nobody any more. An execution that it called and that runs on is asked to end with the caller.
            let has_come = self.waits.get(&key).is_some_and(Option::is_some);
            if step.status.is_final() && (step.kind != "call_workflow" || has_come) {
                self.waits.remove(&key);
            }
            assert!(!is_waiting || step.run_at.is_some() || self.waits.contains_key(&key));
            self.rows.insert(key, step);
        }
        for (index, node) in self.plan.nodes.iter().enumerate() {
            let open = |row: &&StepRecord| {
                row.node_id == node.id && row.item.is_some() && !row.status.is_final()
            };
            let most = node
                .config
                .get("concurrency")
                .map_or(10, |most| most.as_u64().unwrap());
            let open = self.rows.values().filter(open).count();
            assert!(open as u64 <= most, "{open} items of node {index} are open");
        }
        assert!(record.status == ExecutionStatus::Waiting || record.run_at.is_none());
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
        // Something came while it was being put away.
        if record.status == ExecutionStatus::Waiting && self.is_woken {
            self.run_at = Some(self.now);
        }
        if record.status.is_final() {
            self.waits.clear();
        }
        self.output = record.output;
        self.error = record.error;
    }

    pub fn commit_all(&mut self) {
        while self.commit() {}
    }

    /// A call that is out ends.
    pub fn end(&mut self, key: &str, result: Result<Value, Failure>) {
        let call = self.take(key);
        self.tell(Event::Ended {
            place: call.place,
            attempt: call.attempt,
            result: result.map(Success::from),
        });
    }

    fn take(&mut self, key: &str) -> Call {
        let at = self
            .out
            .iter()
            .position(|call| self.key(call.place) == key)
            .expect("the call is out");
        self.out.remove(at)
    }

    /// What `queue.start_child` does: starts an execution and registers the wait for it, unless there is one that was not given up.
    pub fn start_child(&mut self, key: &str) {
        let call = self.out.iter().find(|call| self.key(call.place) == key);
        let given_up = call.expect("the call is out").given_up;
        let known = self.child_of.get(key).map(|child| child_id(*child));
        let is_there = self.waits.contains_key(key) && known.is_some() && known != given_up;
        if is_there {
            // It may have ended already: then whoever parks this execution is to look again.
            self.is_woken |= self.waits[key].is_some();
        } else {
            self.children += 1;
            self.child_of.insert(key.to_owned(), self.children);
            self.waits.insert(key.to_owned(), None);
        }
    }

    /// A call that starts another execution comes back.
    pub fn child_started(&mut self, key: &str) {
        self.start_child(key);
        self.child_answers(key);
    }

    pub fn child_answers(&mut self, key: &str) {
        let child = child_id(self.child_of[key]);
        self.end(key, Ok(json!({"execution_id": child})));
    }

    /// The execution that a step called last ends.
    pub fn child_ends(&mut self, key: &str, status: &str) -> bool {
        let child = child_id(self.child_of[key]);
        self.deliver(key, called(child, status))
    }

    /// Something comes for a step that waits; `false` when it does not. Whoever holds the execution is told.
    pub fn deliver(&mut self, key: &str, payload: Value) -> bool {
        match self.waits.get_mut(key) {
            Some(delivered @ None) => *delivered = Some(payload),
            _ => return false,
        }
        if self.left.is_none() {
            self.is_woken = true;
            let signals = self.delivered();
            self.tell(Event::Signalled(signals));
        }
        true
    }

    pub fn delivered(&self) -> Vec<Signal> {
        let signals = self.waits.iter().filter_map(|(key, payload)| {
            let (node_id, item) = match key.split_once('[') {
                None => (key.as_str(), None),
                Some((node, item)) => (node, Some(item.trim_end_matches(']').parse().unwrap())),
            };
            Some(Signal {
                node_id: node_id.to_owned(),
                item,
                payload: payload.clone()?,
            })
        });
        signals.collect()
    }

    pub fn pause(&mut self) {
        self.pause_requested = true;
        self.tell(Event::PauseRequested);
    }

    /// Somebody resumes it, and a worker takes it up.
    pub fn resume(&mut self) {
        assert_eq!(self.status, ExecutionStatus::Paused);
        self.pause_requested = false;
        self.claim();
    }

    fn key(&self, place: Place) -> String {
        key(&self.plan.nodes[place.node].id, place.item)
    }

    pub fn pass(&mut self, seconds: f64) {
        self.now += SignedDuration::from_secs_f64(seconds);
        self.tell(Event::Tick);
    }

    pub fn out(&self) -> Vec<String> {
        self.out.iter().map(|call| self.key(call.place)).collect()
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

fn key(node: &str, item: Option<u32>) -> String {
    match item {
        None => node.to_owned(),
        Some(item) => format!("{node}[{item}]"),
    }
}

pub fn child_id(number: usize) -> Uuid {
    Uuid::from_u128(number as u128)
}

fn called(child: Uuid, status: &str) -> Value {
    json!({"execution_id": child, "status": status, "output": {"a": 1}, "error": {"code": "c", "message": "m"}})
}

pub fn call_workflow(id: &str, more: Value) -> Value {
    let config =
        json!({"kind": "call_workflow", "workflow_id": Uuid::nil(), "input": "{{ input }}"});
    with(node(id, config), more)
}

/// `action` for each of `input.list`.
pub fn for_each(id: &str, action: Value, config: Value, more: Value) -> Value {
    let own = json!({"kind": "for_each", "items": "{{ input.list }}", "do": action});
    with(node(id, with(own, config)), more)
}

fn with(mut value: Value, more: Value) -> Value {
    for (name, field) in more.as_object().into_iter().flatten() {
        value[name] = field.clone();
    }
    value
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
    with(
        node(id, json!({"kind": "http", "url": "https://api.example/"})),
        more,
    )
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
