//! Workflows of the kind that people draw: requests, questions to a model, conditions, forks and joins, and several templates in
//! most nodes. The same number gives the same workflow.

use serde_json::{Value, json};

pub struct Workflow {
    pub nodes: Value,
    pub connections: Value,
}

/// A valid workflow of so many nodes. `number` only changes what it is called and what it calls.
pub fn of(size: usize, number: usize) -> Workflow {
    let mut drawing = Drawing {
        number,
        nodes: Vec::with_capacity(size),
        connections: Vec::with_capacity(size + size / 4),
        open: Vec::new(),
        known: "start".to_owned(),
    };
    drawing.trigger();
    // A whole block while it fits, and single steps for the rest.
    type Draw = fn(&mut Drawing);
    let blocks: [(usize, Draw); 4] = [
        (5, Drawing::ask_and_branch),
        (4, Drawing::fetch_side_by_side),
        (6, Drawing::route),
        (2, Drawing::wait_and_report),
    ];
    for (block, draw) in blocks.iter().cycle() {
        let left = size.saturating_sub(drawing.nodes.len());
        if left < 6 {
            break;
        }
        if *block <= left {
            draw(&mut drawing);
        }
    }
    while drawing.nodes.len() < size {
        drawing.summary();
    }
    Workflow {
        nodes: Value::Array(drawing.nodes),
        connections: Value::Array(drawing.connections),
    }
}

struct Drawing {
    number: usize,
    nodes: Vec<Value>,
    connections: Vec<Value>,
    /// Where the next step is to be joined to: sources with their handles.
    open: Vec<(String, Option<&'static str>)>,
    /// A step that has surely run before whatever comes next.
    known: String,
}

impl Drawing {
    fn trigger(&mut self) {
        self.nodes.push(json!({
            "id": "start", "type": "trigger", "name": format!("New ticket ({})", self.number), "position": {"x": 0, "y": 0},
            "config": {"kind": "manual", "input_schema": {
                "type": "object", "required": ["customer_id", "subject"],
                "properties": {"customer_id": {"type": "string"}, "subject": {"type": "string", "maxLength": 200}, "text": {"type": "string"}},
            }},
        }));
        self.open = vec![("start".to_owned(), None)];
    }

    /// Adds a step behind the open ends, and gives its id.
    fn step(&mut self, name: &str, mut node: Value) -> String {
        let index = self.nodes.len();
        let id = format!("{name}_{index}");
        for (source, handle) in std::mem::take(&mut self.open) {
            self.connections.push(json!({
                "id": format!("{source}-{id}"), "source": source, "target": id, "sourceHandle": handle, "targetHandle": null,
                "type": "smoothstep", "animated": false,
            }));
        }
        node["id"] = json!(id);
        node["position"] = json!({"x": index * 240, "y": index % 4 * 120});
        self.nodes.push(node);
        self.open = vec![(id.clone(), None)];
        id
    }

    fn fetch(&mut self) -> String {
        let known = self.known.clone();
        self.step("fetch", json!({
            "type": "action", "name": "Fetch the customer", "timeout": 30, "retry": {"max_attempts": 5, "initial_seconds": 2},
            "config": {
                "kind": "http", "method": "POST",
                "url": format!("https://api.example.com/v{}/customers/{{{{ input.customer_id }}}}/tickets", self.number % 7),
                "headers": {"authorization": "Bearer {{ secrets.crm_key }}", "x-request-id": "{{ execution.id }}"},
                "query": {"page": 1, "channel": "{{ input.channel | default('web') }}"},
                "body": {
                    "subject": "{{ input.subject }}", "tenant": "{{ tenant.id }}", "open": true,
                    "previous": format!("{{{{ steps.{known}.output }}}}"), "tags": ["support", "{{ input.kind | default('question') }}"],
                },
            },
        }))
    }

    fn ask(&mut self, request: &str) -> String {
        self.step("ask", json!({
            "type": "ai_processing", "name": "Read the ticket",
            "config": {
                "model": "openai/gpt-4o-mini", "temperature": 0.2, "max_tokens": 800,
                "system_prompt": "You help the support team of {{ tenant.name }}. Answer in the customer's language, and be brief.",
                "prompt": format!("Sum the ticket up in three sentences and rate its urgency.\n\nSubject: {{{{ input.subject }}}}\nCustomer: {{{{ steps.{request}.output.body.customer.name }}}}\nText: {{{{ input.text | trim }}}}\nHistory: {{{{ steps.{request}.output.body.tickets | length }}}} earlier tickets"),
                "output_schema": {
                    "type": "object", "required": ["summary", "urgency"], "additionalProperties": false,
                    "properties": {
                        "summary": {"type": "string", "description": "Three sentences at most."},
                        "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
                        "topic": {"enum": ["billing", "bug", "question"]},
                    },
                },
            },
        }))
    }

    fn summary(&mut self) -> String {
        let known = self.known.clone();
        self.step("note", json!({
            "type": "action", "name": "Prepare the answer",
            "config": {"kind": "transform", "output": {
                "title": "[{{ tenant.name }}] {{ input.subject }}", "from": format!("{{{{ steps.{known}.output }}}}"),
                "lines": ["Dear {{ input.name | default('customer') }},", "we looked at it on {{ now }}."], "final": false,
            }},
        }))
    }

    /// A request, a model, a condition on both, and two branches.
    fn ask_and_branch(&mut self) {
        let request = self.fetch();
        let answer = self.ask(&request);
        let condition = format!(
            "steps.{answer}.output.data.urgency >= 4 and steps.{request}.output.status == 200"
        );
        let check = self.step("check", json!({
            "type": "condition", "name": "Urgent?", "config": {"kind": "if", "condition": condition},
        }));
        self.known = answer;
        self.branches(&check, &["true", "false"]);
    }

    /// A model, a switch on what it says, and four branches.
    fn route(&mut self) {
        let known = self.known.clone();
        let answer = self.step("sort", json!({
            "type": "ai_processing", "name": "Sort",
            "config": {
                "agent_id": "0190a6f0-7a3c-7000-8000-000000000001",
                "prompt": format!("Which team is this for?\n\n{{{{ input.text }}}}\n\n{{{{ steps.{known}.output }}}}"),
            },
        }));
        let case = |handle: &str, word: &str| json!({"handle": handle, "when": format!("'{word}' in steps.{answer}.output.text or input.team == '{handle}'")});
        let cases = json!([
            case("billing", "invoice"),
            case("bugs", "error"),
            case("sales", "offer")
        ]);
        let switch = self.step("route", json!({
            "type": "condition", "name": "Which team?", "config": {"kind": "switch", "cases": cases},
        }));
        self.known = answer;
        self.branches(&switch, &["billing", "bugs", "sales", "default"]);
    }

    fn branches(&mut self, condition: &str, handles: &[&'static str]) {
        let mut ends = Vec::with_capacity(handles.len());
        for handle in handles {
            self.open = vec![(condition.to_owned(), Some(handle))];
            ends.push((self.summary(), None));
        }
        self.open = ends;
    }

    /// Three requests at the same time, and a step that waits for all of them.
    fn fetch_side_by_side(&mut self) {
        let before = self.open.clone();
        let requests: Vec<String> = (0..3)
            .map(|_| {
                self.open.clone_from(&before);
                self.fetch()
            })
            .collect();
        self.open = requests.iter().map(|id| (id.clone(), None)).collect();
        let parts: Vec<String> = requests
            .iter()
            .map(|id| format!("{{{{ steps.{id}.output.body.items | length }}}} of {{{{ steps.{id}.output.status }}}}"))
            .collect();
        self.known = self.step("merge", json!({
            "type": "action", "name": "Merge", "config": {"kind": "transform", "output": {"parts": parts, "at": "{{ now }}"}},
        }));
    }

    /// A pause, and a request that may fail.
    fn wait_and_report(&mut self) {
        self.step("pause", json!({
            "type": "action", "name": "Wait a little", "config": {"kind": "delay", "seconds": 30},
        }));
        let known = self.known.clone();
        self.known = self.step("report", json!({
            "type": "action", "name": "Report", "on_error": "continue",
            "config": {
                "kind": "http", "method": "PUT", "url": "https://hooks.example.com/{{ tenant.id }}/{{ execution.id }}",
                "auth": {"kind": "bearer", "token": "{{ secrets.hook }}"},
                "body": {"result": format!("{{{{ steps.{known}.output }}}}"), "ok": true},
            },
        }));
    }
}
