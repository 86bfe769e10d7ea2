//! Processes are started, found again, and stopped with all that they started; nobody else's process is touched.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use xtask::layout::Layout;
use xtask::ports::{self, Ports};
use xtask::supervisor::process::Identity;
use xtask::supervisor::{Ready, Service, Stop, Supervisor};

/// A directory that goes when the test does.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> (Self, Layout) {
        let path =
            std::env::temp_dir().join(format!("aias-supervisor-{name}-{}", std::process::id()));
        let layout = Layout::new(&path).unwrap();
        (Self(path), layout)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A shell that leaves a child behind and becomes a server.
fn server_with_child(port: u16) -> Service {
    let script = format!(
        "sleep 1000 & exec node -e 'require(\"http\").createServer((_, answer) => answer.end()).listen({port}, \"127.0.0.1\")'"
    );
    shell("server", &script, port)
}

fn shell(name: &str, script: &str, port: u16) -> Service {
    Service {
        name: name.to_owned(),
        program: "sh".into(),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: BTreeMap::new(),
        cwd: "/".into(),
        user: None,
        port: Some(port),
        ready: Ready::Http(format!("http://127.0.0.1:{port}/")),
        stop: Stop::Terminate,
    }
}

#[tokio::test]
async fn a_service_stops_with_all_that_it_started() {
    let (_directory, layout) = Directory::new("stops");
    let port = Ports::free().unwrap().api;
    let supervisor = Supervisor::new(&layout);
    let running = supervisor.start(&server_with_child(port)).await.unwrap();
    assert!(running.identity.is_alive() && !ports::is_free(port));

    assert_eq!(supervisor.stop_all().await.unwrap(), ["server"]);
    assert!(!running.identity.is_alive());
    wait_until(|| !running.identity.has_group() && ports::is_free(port)).await;
    assert!(supervisor.running().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_killed_service_left_is_cleaned_up() {
    let (_directory, layout) = Directory::new("left");
    let port = Ports::free().unwrap().api;
    let running = Supervisor::new(&layout)
        .start(&server_with_child(port))
        .await
        .unwrap();
    let pid = running.identity.pid.to_string();
    assert!(
        Command::new("kill")
            .args(["-9", &pid])
            .status()
            .unwrap()
            .success()
    );
    wait_until(|| !running.identity.is_alive()).await;
    assert!(running.identity.has_group(), "its child is still there");

    // Another run finds it by its file.
    let stopped = Supervisor::new(&layout).stop_all().await.unwrap();
    assert!(stopped.is_empty(), "it was not alive: {stopped:?}");
    wait_until(|| !running.identity.has_group()).await;
}

#[tokio::test]
async fn a_pid_that_was_given_to_somebody_else_is_left_alone() {
    let (_directory, layout) = Directory::new("reused");
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let identity = Identity::of(other.id().try_into().unwrap()).unwrap();
    let mut told = serde_json::to_value(&identity).unwrap();
    told["started"] = "1".into();
    let file = serde_json::json!({
        "name": "worker", "identity": told, "order": 0, "port": null,
        "ready": { "Http": "http://127.0.0.1:1/" }, "stop": "Terminate",
    });
    std::fs::create_dir_all(layout.run()).unwrap();
    std::fs::write(layout.run().join("worker.json"), file.to_string()).unwrap();

    Supervisor::new(&layout).stop_all().await.unwrap();
    assert!(identity.is_alive());
    assert!(
        Supervisor::new(&layout).running().unwrap().is_empty(),
        "its file is gone"
    );
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn a_service_that_ends_while_it_starts_says_why() {
    let (_directory, layout) = Directory::new("ends");
    let port = Ports::free().unwrap().api;
    let service = shell("worker", "echo the reason >&2; exit 3", port);
    let error = Supervisor::new(&layout)
        .start(&service)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("worker ended") && error.contains("the reason"),
        "{error}"
    );
}

#[test]
fn a_taken_port_is_named_with_its_holder_and_the_way_out() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = ports::demand_free(port, "edge-api", "edge-port")
        .unwrap_err()
        .to_string();
    for part in [
        &format!("port {port} is taken"),
        "edge-api",
        "--edge-port",
        "AIAS_EDGE_PORT",
    ] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    if cfg!(target_os = "linux") {
        assert!(
            error.contains(&format!("(pid {})", std::process::id())),
            "{error}"
        );
    }
}

async fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..250 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not happen within five seconds");
}
