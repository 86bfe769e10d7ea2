//! The items of a `for_each`: each is a step of its own, with its own attempts and its own row.
//!
//! An item takes its place from its first attempt until it has ended, waits between attempts included, so that a list whose other side is
//! down does not begin as a whole. The list itself is not recorded: it is made of what is.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use workflow::expression::Context;

use super::advance::is_call;
use super::content;
use super::run::{Action, Ending, Run};
use super::step::{State, Step};
use crate::nodes::{self, Failure, ForEach, Place, Success};
use crate::state::StepStatus;

/// Items without a call that are computed before what they gave is written.
const AT_ONCE: usize = 256;

/// Where the items of one node stand.
#[derive(Debug, Default)]
pub(super) struct Loop {
    values: Vec<Arc<Value>>,
    concurrency: usize,
    goes_on: bool,
    /// By index; an item that has no step has not begun.
    pub steps: Vec<Step>,
    /// Items that have begun, or are about to, and have not ended.
    pub open: BTreeSet<u32>,
    /// The first item that was not looked at yet.
    next: usize,
    /// About how many bytes the node's output has.
    size: usize,
    /// Items that have begun since something was last written.
    since_record: usize,
}

impl Loop {
    /// Room for the step of an item that was recorded.
    pub(super) fn put(&mut self, item: u32, step: Step) {
        let index = item as usize;
        if self.steps.len() <= index {
            self.steps.resize_with(index + 1, Step::new);
        }
        if step.row_is_open {
            self.open.insert(item);
        }
        self.steps[index] = step;
    }

    fn with(self, each: ForEach) -> Self {
        Self {
            values: each.items.into_iter().map(Arc::new).collect(),
            concurrency: each.concurrency,
            goes_on: each.goes_on,
            ..self
        }
    }

    fn is_done(&self) -> bool {
        self.open.is_empty() && self.next == self.values.len()
    }

    /// `{items, failed}`, in the order of the list.
    fn output(&self) -> Value {
        let items = self.steps.iter().map(|step| match step.state {
            State::Ended(StepStatus::Succeeded) => {
                step.output.as_deref().cloned().unwrap_or_default()
            }
            _ => Value::Null,
        });
        let failed = self.steps.iter().enumerate().filter_map(|(index, step)| {
            let has_failed = step.state == State::Ended(StepStatus::Failed);
            has_failed.then(|| json!({"index": index, "error": step.error}))
        });
        json!({"items": items.collect::<Vec<_>>(), "failed": failed.collect::<Vec<_>>()})
    }
}

impl Run {
    /// The scope of a step; an item also sees itself.
    pub(super) fn scope_of(&self, place: Place) -> Context {
        let mut context = self.context.clone();
        if let Some(item) = place.item
            && let Some(value) = self.loops[&place.node].values.get(item as usize)
        {
            context.set("item", Arc::clone(value));
            context.set("index", Arc::new(json!(item)));
        }
        context
    }

    /// Begins with the first items. Those that are recorded are not begun again.
    pub(super) fn begin_loop(&mut self, node: usize, now: Timestamp, actions: &mut Vec<Action>) {
        let plan = Arc::clone(&self.plan);
        match nodes::read_for_each(&self.engine, &plan.nodes[node], &self.context) {
            Ok(each) => {
                let recorded = self.loops.remove(&node).unwrap_or_default();
                let step = &mut self.steps[node];
                step.input = Some(Arc::new(json!({
                    "kind": "for_each",
                    "count": each.items.len(),
                    "concurrency": each.concurrency,
                    "on_item_error": if each.goes_on { "continue" } else { "fail" },
                })));
                step.state = State::Looping;
                self.change(node.into());
                match self.work_on(node, recorded, each) {
                    Ok(()) => self.finish_loop(node, now, actions),
                    Err(ending) => self.end(ending, now, actions),
                }
            }
            Err(failure) => self.settle(node.into(), Err(failure), now, actions),
        }
    }

    /// Takes up a node whose items had begun.
    pub(super) fn reopen_loop(&mut self, node: usize) -> Result<(), Ending> {
        let plan = Arc::clone(&self.plan);
        let each = nodes::read_for_each(&self.engine, &plan.nodes[node], &self.context)
            .map_err(|failure| Ending::inconsistent(&failure.message))?;
        let recorded = self.loops.remove(&node).unwrap_or_default();
        self.work_on(node, recorded, each)
    }

    fn work_on(&mut self, node: usize, recorded: Loop, each: ForEach) -> Result<(), Ending> {
        let mut each = recorded.with(each);
        let mut problem = None;
        if each.steps.len() > each.values.len() {
            problem = Some("the list is shorter than it was");
        }
        for (item, step) in (0..).zip(&each.steps) {
            match step.state {
                State::Idle if step.row_is_open => self.ready.push_back(Place {
                    node,
                    item: Some(item),
                }),
                State::Ended(StepStatus::Succeeded | StepStatus::Failed) => {
                    let is_failed = step.state == State::Ended(StepStatus::Failed);
                    if is_failed && !each.goes_on {
                        problem = problem.or(Some("an item had ended its step"));
                    }
                    each.size += size_of(step);
                }
                State::Ended(_) => problem = problem.or(Some("an item had ended its step")),
                _ => {}
            }
        }
        self.loops.insert(node, each);
        if let Some(problem) = problem {
            return Err(Ending::inconsistent(problem));
        }
        self.refill(node);
        Ok(())
    }

    /// Has as many items begin as there is room for.
    fn refill(&mut self, node: usize) {
        let some_item = Place {
            node,
            item: Some(0),
        };
        let is_call = is_call(self.kind(some_item));
        let is_open = self.steps[node].state == State::Looping;
        let Some(each) = self.loops.get_mut(&node).filter(|_| is_open) else {
            return;
        };
        while each.next < each.values.len() && each.open.len() < each.concurrency {
            if !is_call && each.since_record >= AT_ONCE {
                self.is_urgent = true;
                return;
            }
            let index = each.next;
            each.next += 1;
            if each.steps.len() == index {
                each.steps.push(Step::new());
            }
            let step = &each.steps[index];
            if step.state != State::Idle || step.row_is_open {
                continue;
            }
            let Ok(item) = u32::try_from(index) else {
                return;
            };
            each.open.insert(item);
            each.since_record += 1;
            self.ready.push_back(Place {
                node,
                item: Some(item),
            });
        }
    }

    /// Something was written: there may be room again.
    pub(super) fn refill_all(&mut self) {
        let nodes: Vec<usize> = self.loops.keys().copied().collect();
        for node in nodes {
            if let Some(each) = self.loops.get_mut(&node) {
                each.since_record = 0;
            }
            self.refill(node);
        }
    }

    /// An item ended for good: its place is free, unless its failure is that of the node.
    pub(super) fn item_ended(
        &mut self,
        node: usize,
        item: u32,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let Some(each) = self.loops.get_mut(&node) else {
            return;
        };
        each.open.remove(&item);
        let step = &each.steps[item as usize];
        each.size += size_of(step);
        let has_failed = step.state == State::Ended(StepStatus::Failed);
        let failure = if has_failed && !each.goes_on {
            let error = step.error.clone().unwrap_or_default();
            Some(nodes::item_failed(item, &error))
        } else if each.size > content::MOST_BYTES {
            Some(content::too_large(each.size))
        } else {
            None
        };
        match failure {
            Some(failure) => self.fail_loop(node, failure, now, actions),
            None => {
                self.refill(node);
                self.finish_loop(node, now, actions);
            }
        }
    }

    /// No further item begins, and those that are out are stopped: nobody will look at what they bring.
    fn fail_loop(
        &mut self,
        node: usize,
        failure: Failure,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let open = self
            .loops
            .get_mut(&node)
            .map(|each| std::mem::take(&mut each.open))
            .unwrap_or_default();
        self.ready
            .retain(|place| place.node != node || place.item.is_none());
        for item in open {
            let place = Place {
                node,
                item: Some(item),
            };
            self.give_up(place, now, actions);
        }
        self.is_urgent = true;
        self.settle(node.into(), Err(failure), now, actions);
    }

    /// Ends the node when its last item has.
    pub(super) fn finish_loop(&mut self, node: usize, now: Timestamp, actions: &mut Vec<Action>) {
        let is_open = self.steps[node].state == State::Looping;
        if let Some(each) = self
            .loops
            .get(&node)
            .filter(|each| is_open && each.is_done())
        {
            let output = each.output();
            self.settle(node.into(), Ok(Success::from(output)), now, actions);
        }
    }
}

/// What the item adds to the node's output.
fn size_of(step: &Step) -> usize {
    let output = step.output.as_deref().map_or(4, content::size);
    let error = step
        .error
        .as_ref()
        .map_or(0, |error| content::size(error) + 24);
    output + error + 1
}
