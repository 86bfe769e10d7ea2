//! The workflows: chains and diamonds of calls, transforms, conditions and delays.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// How the server answers the calls of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Behaviour {
    Quick,
    /// After so many milliseconds.
    Slow(u64),
    /// 500 to so many calls.
    Flaky(u64),
    /// Not at all to so many calls.
    Silent(u64),
    /// 503, always.
    Refusing,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Act {
    Trigger,
    Call(Behaviour),
    Transform,
    /// Takes the edges of `true` or of `false`, by what the call before it was answered.
    Condition,
    /// Seconds.
    Delay(f64),
}

#[derive(Debug, Clone)]
pub struct Node {
    pub id: String,
    pub act: Act,
    /// Whether the execution goes on when it fails.
    pub continues: bool,
    pub max_attempts: i32,
    /// Seconds until the second attempt.
    retry_after: f64,
}

/// Edges lead from earlier nodes to later ones.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub handle: Option<&'static str>,
}

#[derive(Debug, Clone, Default)]
pub struct Workflow {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

impl Workflow {
    pub fn draw(rng: &mut StdRng) -> Self {
        let mut workflow = Self::default();
        let mut last = workflow.add(Act::Trigger, false, rng);
        for _ in 0..rng.random_range(1..=3) {
            last = match rng.random_range(0..3) {
                0 => workflow.chain(last, None, 2, rng),
                1 => workflow.diamond(last, rng),
                _ => workflow.fork(last, rng),
            };
        }
        workflow
    }

    /// A trigger, a call and a transform.
    #[cfg(test)]
    pub fn line() -> Self {
        use rand::SeedableRng;
        let rng = &mut StdRng::seed_from_u64(0);
        let mut workflow = Self::default();
        let start = workflow.add(Act::Trigger, false, rng);
        let call = workflow.next(start, None, Act::Call(Behaviour::Quick), rng);
        workflow.next(call, None, Act::Transform, rng);
        workflow
    }

    /// One to so many nodes, one after the other. Answers the last.
    fn chain(
        &mut self,
        from: usize,
        handle: Option<&'static str>,
        most: usize,
        rng: &mut StdRng,
    ) -> usize {
        let mut last = self.next(from, handle, draw_act(rng), rng);
        for _ in 1..rng.random_range(1..=most) {
            last = self.next(last, None, draw_act(rng), rng);
        }
        last
    }

    /// Two or three arms that meet again.
    fn diamond(&mut self, from: usize, rng: &mut StdRng) -> usize {
        let arms: Vec<usize> = (0..rng.random_range(2..=3))
            .map(|_| self.chain(from, None, 2, rng))
            .collect();
        self.join(&arms, rng)
    }

    /// A condition on what a call was answered, and two arms of which one is taken.
    fn fork(&mut self, from: usize, rng: &mut StdRng) -> usize {
        let asked = self.next(from, None, Act::Call(Behaviour::Quick), rng);
        let condition = self.next(asked, None, Act::Condition, rng);
        let arms = ["true", "false"].map(|handle| self.chain(condition, Some(handle), 2, rng));
        self.join(&arms, rng)
    }

    fn join(&mut self, arms: &[usize], rng: &mut StdRng) -> usize {
        let act = match rng.random_bool(0.5) {
            true => Act::Transform,
            false => Act::Call(Behaviour::Quick),
        };
        let join = self.add(act, true, rng);
        let edges = arms.iter().map(|arm| Edge {
            from: *arm,
            to: join,
            handle: None,
        });
        self.edges.extend(edges);
        join
    }

    fn next(
        &mut self,
        from: usize,
        handle: Option<&'static str>,
        act: Act,
        rng: &mut StdRng,
    ) -> usize {
        // Those that are refused for good end some executions, but not most.
        let continues = act == Act::Call(Behaviour::Quick) || rng.random_bool(0.6);
        let to = self.add(act, continues, rng);
        self.edges.push(Edge { from, to, handle });
        to
    }

    fn add(&mut self, act: Act, continues: bool, rng: &mut StdRng) -> usize {
        let number = self.nodes.len();
        let name = match act {
            Act::Trigger => "start",
            Act::Call(_) => "call",
            Act::Transform => "transform",
            Act::Condition => "if",
            Act::Delay(_) => "delay",
        };
        self.nodes.push(Node {
            id: format!("{name}{number}"),
            act,
            continues: continues && matches!(act, Act::Call(_)),
            max_attempts: 4,
            // Shorter waits stay in a worker's memory; longer ones are left to the database.
            retry_after: if rng.random_bool(0.3) { 1.4 } else { 0.1 },
        });
        number
    }

    pub fn predecessors(&self, node: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.to == node)
    }

    /// As the column `nodes` has them. `server` is where calls go.
    pub fn nodes_json(&self, server: &str) -> Value {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .map(|(number, node)| self.node_json(number, node, server))
            .collect()
    }

    fn node_json(&self, number: usize, node: &Node, server: &str) -> Value {
        let before = self
            .predecessors(number)
            .next()
            .map(|edge| &self.nodes[edge.from].id);
        let before = before.map(String::as_str).unwrap_or_default();
        let (node_type, config) = match node.act {
            Act::Trigger => ("trigger", json!({"kind": "manual"})),
            Act::Call(behaviour) => {
                let path = behaviour.path();
                let url = format!("{server}/{path}/{{{{ execution.id }}}}/{}", node.id);
                (
                    "action",
                    json!({"kind": "http", "method": "POST", "url": url}),
                )
            }
            Act::Transform => {
                let last = format!("{{{{ steps.{before}.status | default('skipped') }}}}");
                (
                    "action",
                    json!({"kind": "transform", "output": {"of": "{{ execution.id }}", "before": last}}),
                )
            }
            Act::Condition => {
                let condition =
                    format!("(steps.{before}.output.body.number | default(0)) % 2 == 0");
                ("condition", json!({"kind": "if", "condition": condition}))
            }
            Act::Delay(seconds) => ("action", json!({"kind": "delay", "seconds": seconds})),
        };
        let mut json = json!({"id": node.id, "type": node_type, "position": {"x": 0, "y": 0}, "config": config});
        if let Act::Call(behaviour) = node.act {
            json["retry"] = json!({"max_attempts": node.max_attempts, "initial_seconds": node.retry_after, "max_seconds": 2});
            json["on_error"] = json!(if node.continues { "continue" } else { "fail" });
            json["timeout"] = json!(match behaviour {
                Behaviour::Silent(_) => 1.0,
                _ => 20.0,
            });
        }
        json
    }

    /// As the column `connections` has them.
    pub fn connections_json(&self) -> Value {
        let edge = |edge: &Edge| {
            let ends = [edge.from, edge.to].map(|node| &self.nodes[node].id);
            let mut json = json!({"source": ends[0], "target": ends[1]});
            if let Some(handle) = edge.handle {
                json["sourceHandle"] = json!(handle);
            }
            json
        };
        self.edges.iter().map(edge).collect()
    }
}

fn draw_act(rng: &mut StdRng) -> Act {
    match rng.random_range(0..100) {
        0..35 => Act::Call(Behaviour::Quick),
        35..50 => Act::Call(Behaviour::Slow(rng.random_range(50..600))),
        50..58 => Act::Call(Behaviour::Flaky(rng.random_range(1..=2))),
        58..62 => Act::Call(Behaviour::Silent(1)),
        62..66 => Act::Call(Behaviour::Refusing),
        66..85 => Act::Transform,
        85..93 => Act::Delay(f64::from(rng.random_range(1..9)) / 10.0),
        _ => Act::Delay(f64::from(rng.random_range(11..25)) / 10.0),
    }
}

impl Behaviour {
    /// The beginning of the path that asks for it.
    fn path(self) -> String {
        match self {
            Self::Quick => "quick/0".to_owned(),
            Self::Slow(milliseconds) => format!("slow/{milliseconds}"),
            Self::Flaky(times) => format!("flaky/{times}"),
            Self::Silent(times) => format!("silent/{times}"),
            Self::Refusing => "refusing/0".to_owned(),
        }
    }
}
