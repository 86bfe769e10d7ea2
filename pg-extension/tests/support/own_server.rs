use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};

use crate::Database;

/// A server of the same installation as the one that tests share, for what would disturb the others: crashes, restarts, settings that
/// hold for the whole server. It ends with the value.
pub struct OwnServer {
    bin: PathBuf,
    home: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    password: String,
    postmaster: Option<Child>,
}

impl OwnServer {
    /// With settings of the form `name=value`, and the extension in the database `postgres`.
    pub async fn start(settings: &[&str]) -> Self {
        let (bin, data) = shared_installation().await;
        let home = std::env::temp_dir().join(format!("aias-own-server-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&home).expect("a directory can be made");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("it is ours");
        // Postgres refuses to run as root; whoever runs the shared server may run this one too.
        let user = (fs::metadata(&home).expect("it is there").uid() == 0).then(|| {
            let owner = fs::metadata(&data).expect("the shared server is on this machine");
            (owner.uid(), owner.gid())
        });
        let mut server = OwnServer {
            bin,
            port: free_port(),
            password: format!("{:032x}", rand::random::<u128>()),
            home,
            user,
            postmaster: None,
        };
        server.make();
        server.run(settings).await;
        server
            .session()
            .await
            .execute("create extension aias")
            .await
            .expect("the extension is installed");
        server
    }

    /// Stops it in good order, and starts it with other settings; as a standby when asked to, which replays and reads only.
    pub async fn restart(&mut self, settings: &[&str], as_standby: bool) {
        self.stop("-INT");
        if as_standby {
            fs::write(self.data().join("standby.signal"), "").expect("the directory is writable");
        }
        self.run(settings).await;
    }

    /// A session of the superuser in the database `postgres`.
    pub async fn session(&self) -> PgConnection {
        PgConnection::connect_with(&self.options())
            .await
            .expect("the server takes connections")
    }

    /// A session of the superuser in a database of that name, which is made with the extension in it when there is none.
    pub async fn session_of(&self, database: &str) -> PgConnection {
        let options = self.options().database(database);
        if let Ok(connection) = PgConnection::connect_with(&options).await {
            return connection;
        }
        self.session()
            .await
            .execute(sqlx::AssertSqlSafe(format!("create database {database}")))
            .await
            .expect("a superuser may create databases");
        let mut connection = PgConnection::connect_with(&options)
            .await
            .expect("the server takes connections");
        connection
            .execute("create extension aias")
            .await
            .expect("the extension is installed");
        connection
    }

    /// As soon as the server takes connections again.
    pub async fn session_after_crash(&self) -> PgConnection {
        let begin = Instant::now();
        loop {
            if let Ok(mut connection) = PgConnection::connect_with(&self.options()).await
                // A session that began just before the crash is ended with the others.
                && connection.execute("select 1").await.is_ok()
            {
                return connection;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "the server did not come back: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the server has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("postgres")
            .password(&self.password)
            .database("postgres")
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn make(&mut self) {
        let password_file = self.home.join("password");
        fs::write(&password_file, &self.password).expect("the directory is writable");
        fs::create_dir(self.data()).expect("the directory is writable");
        fs::set_permissions(self.data(), fs::Permissions::from_mode(0o700)).expect("it is ours");
        if let Some((uid, gid)) = self.user {
            for path in [&self.home, &self.data(), &password_file] {
                chown(path, Some(uid), Some(gid)).expect("root may give files away");
            }
        }
        let made = self
            .command("initdb")
            .arg("--pgdata")
            .arg(self.data())
            .arg("--pwfile")
            .arg(&password_file)
            .args(["--username=postgres", "--auth=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C", "--no-sync"])
            .output()
            .expect("initdb can be run");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    }

    async fn run(&mut self, settings: &[&str]) {
        let log = fs::File::create(self.home.join("log")).expect("the directory is writable");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        let port = format!("port={}", self.port);
        let ours = [
            port.as_str(),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "restart_after_crash=on",
        ];
        for setting in ours.iter().chain(settings) {
            command.args(["-c", setting]);
        }
        command.stderr(log);
        self.postmaster = Some(command.spawn().expect("postgres can be run"));
        self.session_after_crash().await;
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn stop(&mut self, signal: &str) {
        if let Some(mut postmaster) = self.postmaster.take() {
            send(signal, postmaster.id());
            _ = postmaster.wait();
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop("-QUIT");
        _ = fs::remove_dir_all(&self.home);
    }
}

/// Sends a signal, for instance `-KILL`, to a process of this machine.
pub fn send(signal: &str, process: u32) {
    _ = Command::new("kill")
        .arg(signal)
        .arg(process.to_string())
        .stderr(Stdio::null())
        .status();
}

/// Where the programs of the shared server are, and its data.
async fn shared_installation() -> (PathBuf, PathBuf) {
    let mut connection = Database::server().await;
    let (bin, data): (String, String) = sqlx::query_as(
        "select (select setting from pg_config where name = 'BINDIR'), current_setting('data_directory')",
    )
    .fetch_one(&mut connection)
    .await
    .expect("the user is a superuser");
    assert!(
        Path::new(&bin).join("initdb").is_file(),
        "the server is on this machine, and its programs in {bin}"
    );
    (bin.into(), data.into())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port is free")
        .port()
}
