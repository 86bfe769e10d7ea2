//! Workers, in this process or in one of their own.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use llm::{Providers, RetryPolicy};
use outbound::HttpAllow;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use workers::app::App;
use workers::config::Config;
use workers::mail::MailSettings;
use workers::telemetry::LogFormat;

use super::{SmtpSink, Stage};

/// For tests that wait for its end. A busy machine may stand still for a second or two, and whoever does not renew in time loses the lease.
pub const SHORT_LEASE: Duration = Duration::from_secs(4);

/// A worker in this process.
pub struct Worker {
    stop: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

pub fn config(stage: &Stage) -> Config {
    Config {
        database: stage.worker_options(),
        metrics_listen: None,
        concurrency: 64,
        lease: Duration::from_secs(30),
        drain: Duration::from_secs(10),
        http_allow: HttpAllow::default(),
        providers: Providers::builder().build().unwrap(),
        vault: None,
        mail: None,
        stripe: None,
        dns_server: None,
        log: LogFormat::Text,
    }
}

/// One try a call, as the process is configured too.
pub fn openai_at(url: &str) -> Providers {
    Providers::builder()
        .retry(RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        })
        .openai(None, Some(url))
        .unwrap()
        .build()
        .unwrap()
}

/// Where the links in its mails lead.
pub const APP: &str = "https://app.example.com";

/// What a worker needs to send by this server.
pub fn mails_by(url: &str) -> MailSettings {
    MailSettings::read(|name| {
        let value = match name {
            "AIAS_SMTP_URL" => url,
            "AIAS_MAIL_FROM" => "AIAS <no-reply@aias.example>",
            _ => APP,
        };
        Some(value.to_owned())
    })
    .unwrap_or_else(|error| panic!("{error}"))
    .unwrap()
}

impl Worker {
    /// One that sends by this server.
    pub fn start_mailing(stage: &Stage, sink: &SmtpSink) -> Self {
        Self::start_with(stage, &[], |config| {
            config.mail = Some(mails_by(&sink.url()));
        })
    }

    /// One that may call these servers.
    pub fn start(stage: &Stage, allowed: &[&super::Server]) -> Self {
        Self::start_with(stage, allowed, |_| {})
    }

    pub fn start_with(
        stage: &Stage,
        allowed: &[&super::Server],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = config(stage);
        let list: Vec<String> = allowed
            .iter()
            .map(|server| server.address.to_string())
            .collect();
        config.http_allow = list.join(",").parse().unwrap();
        change(&mut config);
        let (stop, stopped) = mpsc::channel(4);
        let app = App::new(config).unwrap();
        Self {
            stop,
            task: tokio::spawn(app.run(stopped)),
        }
    }

    /// As SIGTERM does, and waits for the end.
    pub async fn stop(self) {
        self.stop.send(()).await.unwrap();
        self.task.await.unwrap();
    }
}

/// A worker in a process of its own, killed when dropped.
pub struct Process(Child);

impl Process {
    pub fn start(stage: &Stage, allowed: &super::Server, more: &[(&str, &str)]) -> Self {
        let allowed = allowed.address.to_string();
        let mut variables = vec![("AIAS_HTTP_ALLOW", allowed.as_str())];
        variables.extend(more);
        Self::logging_to(stage, Stdio::inherit(), &variables)
    }

    /// One whose log goes elsewhere.
    pub fn logging_to(stage: &Stage, log: impl Into<Stdio>, variables: &[(&str, &str)]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_worker"))
            .env("AIAS_DATABASE_URL", stage.worker_url())
            .env("AIAS_LEASE_SECONDS", SHORT_LEASE.as_secs().to_string())
            .env("RUST_LOG", "warn")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for its own end.
    pub async fn ended(mut self) -> std::process::ExitStatus {
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
