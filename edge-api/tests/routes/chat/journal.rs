//! What calls took while the database does not take it.

use std::path::PathBuf;

use sqlx::PgPool;
use uuid::Uuid;

use super::{Gateway, body, streamed};
use crate::support::upstream::Upstream;
use crate::support::{EventReader, TestApp};

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("aias-edge-spool-{}", Uuid::now_v7())))
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        files.map(|file| file.path()).collect()
    }

    fn only_file(&self) -> Vec<u8> {
        let files = self.files();
        assert_eq!(files.len(), 1, "{files:?}");
        std::fs::read(&files[0]).unwrap()
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn gateway(pool: PgPool, spool: &Directory) -> Gateway {
    let upstream = Upstream::start().await;
    let models = (upstream.providers(), spool.0.clone());
    let mut app = TestApp::with(pool, |configuration| {
        configuration.models.providers = models.0;
        configuration.models.spool = Some(models.1);
    })
    .await;
    app.spawn_background();
    Gateway { app, upstream }
}

#[sqlx::test(migrations = "../migrations")]
async fn what_a_dead_process_could_not_write_down_the_next_one_does(pool: PgPool) {
    let directory = Directory::new();
    let dying = gateway(pool.clone(), &directory).await;
    let mut holding = pool.begin().await.unwrap();
    sqlx::query("lock table public.usage in share mode")
        .execute(&mut *holding)
        .await
        .unwrap();
    assert_eq!(dying.ask(&body("plain")).await.status, 200);
    let journal = directory.only_file();
    assert!(contains(&journal, "\"plain\""));
    assert!(!contains(&journal, "12345678"), "nothing of what was said");
    drop(dying);
    holding.rollback().await.unwrap();

    let next = gateway(pool.clone(), &directory).await;
    assert_eq!(next.used().await.len(), 1);
    assert_eq!(next.tokens().await, (10, 0));
    drop(next);

    // As when it had been written down, and the process died before it could forget it.
    std::fs::write(directory.0.join("again.model-calls"), journal).unwrap();
    let third = gateway(pool, &directory).await;
    assert_eq!(third.used().await.len(), 1, "once");
    assert_eq!(third.tokens().await, (10, 0));
    assert_eq!(directory.files().len(), 1, "its own");
}

/// As after SIGKILL: nobody has said how it ended.
#[sqlx::test(migrations = "../migrations")]
async fn a_call_whose_process_died_is_paid_as_far_as_it_came(pool: PgPool) {
    let (directory, killed) = (Directory::new(), Directory::new());
    let dying = gateway(pool.clone(), &directory).await;
    let response = dying.open(&streamed("endless")).await;
    let mut events = EventReader::new(response.into_body());
    for _ in 0..20 {
        events.next().await.unwrap();
    }
    let (used, reserved) = dying.tokens().await;
    assert!(used == 0 && reserved > 0, "{used}, {reserved}");
    std::fs::create_dir_all(&killed.0).unwrap();
    std::fs::write(killed.0.join("killed.model-calls"), directory.only_file()).unwrap();

    let next = gateway(pool, &killed).await;
    let used = next.used().await;
    assert_eq!(used.len(), 1);
    assert!(used[0].is_estimated);
    // One token is four characters, which is what each piece has. The first event is the role.
    assert!(used[0].output_tokens >= 19, "{used:?}");
    let total = used[0].input_tokens + used[0].output_tokens;
    assert_eq!(
        next.tokens().await,
        (total, 0),
        "nothing is set aside any more"
    );

    // It was not dead after all. What it says later is the same call, and counts once.
    drop(events);
    assert_eq!(dying.used().await, used);
    assert_eq!(dying.tokens().await, (total, 0));
}
