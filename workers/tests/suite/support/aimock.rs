//! aimock, a stand-in for models and for an MCP server at once: one process per test, on a port that the system gives, ended when the test ends.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

pub struct Aimock {
    child: Child,
    /// Held open, so that the child can go on writing.
    _stdout: BufReader<ChildStdout>,
    /// `host:port`
    pub address: String,
}

impl Aimock {
    /// The model answers by these fixtures; what the MCP server can do stands in aimock.json.
    pub async fn start(fixtures: Value) -> Self {
        let modules = std::env::var_os("AIAS_NODE_MODULES").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../node_modules")),
            PathBuf::from,
        );
        let program = modules.join("@copilotkit/aimock/dist/aimock-cli.js");
        assert!(
            program.exists(),
            "aimock is not at {}: run `cargo xtask setup` once",
            program.display()
        );
        let mut child = Command::new("node")
            .arg(program)
            .args(["--port", "0", "--host", "127.0.0.1", "--config"])
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/suite/support/aimock.json"
            ))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node does not start: run `cargo xtask setup` once");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        while !line.contains("listening on ") {
            line.clear();
            let read = stdout
                .read_line(&mut line)
                .expect("aimock's output is text");
            assert!(read > 0, "aimock ended before it listened");
        }
        let (_, url) = line.trim().split_once("http://").expect("an address");
        let mock = Self {
            child,
            _stdout: stdout,
            address: url.trim_end_matches('/').to_owned(),
        };
        let added = reqwest::Client::new()
            .post(mock.url("/__aimock/fixtures"))
            .json(&json!({ "fixtures": fixtures }))
            .send()
            .await
            .unwrap();
        assert!(added.status().is_success(), "{added:?}");
        mock
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The last request to the model.
    pub async fn last_request(&self) -> Value {
        let journal = reqwest::get(self.url("/__aimock/journal")).await.unwrap();
        let entries: Vec<Value> = journal.json().await.unwrap();
        let of_model = entries.iter().rfind(|entry| {
            let path = entry["path"].as_str().unwrap_or_default();
            path.ends_with("/chat/completions")
        });
        of_model.expect("the model was asked")["body"].clone()
    }
}

impl Drop for Aimock {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
