//! Asking a service whether it can be used.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::Ready;

/// One question, answered within two seconds or taken as a no.
pub async fn is_ready(ready: &Ready) -> bool {
    let question = async {
        match ready {
            Ready::Http(url) => answers_http(url).await,
            Ready::Postgres(url) => answers_sql(url).await,
        }
    };
    tokio::time::timeout(Duration::from_secs(2), question)
        .await
        .unwrap_or(false)
}

pub async fn answers_http(url: &str) -> bool {
    // A proxy of the environment is for other hosts than this one.
    let Ok(client) = reqwest::Client::builder().no_proxy().build() else {
        return false;
    };
    client
        .get(url)
        .send()
        .await
        .is_ok_and(|response| response.status().as_u16() < 400)
}

async fn answers_sql(url: &str) -> bool {
    let Ok(mut connection) = PgConnection::connect(url).await else {
        return false;
    };
    let answer = sqlx::query("select 1").execute(&mut connection).await;
    let _ = connection.close().await;
    answer.is_ok()
}
