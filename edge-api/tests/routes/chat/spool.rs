//! What calls took while the database does not take it.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use super::{Gateway, body};
use crate::support::TestApp;
use crate::support::upstream::Upstream;

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("aias-edge-spool-{}", Uuid::now_v7())))
    }

    fn text(&self) -> String {
        let files = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        files
            .map(|file| std::fs::read_to_string(file.path()).unwrap())
            .collect()
    }
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
    for _ in 0..200 {
        if directory.text().ends_with('\n') {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let spooled = directory.text();
    assert_eq!(spooled.lines().count(), 1, "{spooled}");
    assert!(!spooled.contains("12345678"), "nothing of what was said");
    drop(dying);
    holding.rollback().await.unwrap();

    let next = gateway(pool.clone(), &directory).await;
    assert_eq!(next.used().await.len(), 1);
    assert_eq!(next.tokens().await, (10, 0));
    assert_eq!(directory.text(), "", "and it is not kept any longer");
    drop(next);

    // As when it had been written down, and the process died before it could forget it.
    std::fs::write(directory.0.join("again.model-calls"), spooled).unwrap();
    let third = gateway(pool, &directory).await;
    assert_eq!(third.used().await.len(), 1, "once");
    assert_eq!(third.tokens().await, (10, 0));
}
