//! aimock, one process per test, on a port that the system gives, ended when the test ends.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

pub struct Aimock {
    child: Child,
    /// Held open, so that the child can go on writing.
    _stdout: BufReader<ChildStdout>,
    url: String,
    http: reqwest::Client,
}

impl Aimock {
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
                "/tests/chat/support/aimock.json"
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
        let (_, url) = line
            .trim()
            .split_once("listening on ")
            .expect("the line names the address");
        let url = url.to_owned();
        let mock = Self {
            child,
            _stdout: stdout,
            url,
            http: reqwest::Client::new(),
        };
        mock.script(fixtures).await;
        mock
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Forgets everything and answers by these fixtures from now on.
    pub async fn script(&self, fixtures: Value) {
        self.post("reset", &json!({})).await;
        self.post("fixtures", &json!({ "fixtures": fixtures }))
            .await;
    }

    /// The requests since the last script, in order, each as a chat completion request whatever its format was.
    pub async fn requests(&self) -> Vec<Value> {
        self.journal()
            .await
            .into_iter()
            .map(|mut entry| entry["body"].take())
            .collect()
    }

    pub async fn journal(&self) -> Vec<Value> {
        let url = format!("{}/__aimock/journal", self.url);
        self.http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn post(&self, what: &str, body: &Value) {
        let url = format!("{}/__aimock/{what}", self.url);
        let response = self.http.post(url).json(body).send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{what}: {}",
            response.text().await.unwrap()
        );
    }
}

impl Drop for Aimock {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
