//! Over real sockets: the beginning and the end.

use std::time::Duration;

use edge_api::server;
use sqlx::PgPool;
use tests::seed::ALPHA_OWNER;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{SECRET, TestApp, Worker};

async fn serve(app: &TestApp) -> (std::net::SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = server::serve(
        listener,
        app.router.clone(),
        app.stopping.clone(),
        Duration::from_secs(5),
    );
    (address, tokio::spawn(serving))
}

#[sqlx::test(migrations = "../migrations")]
async fn a_port_that_is_taken_is_named(_pool: PgPool) {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = server::bind(address).await.unwrap_err();
    let expected = format!(
        "cannot listen on {address} (AIAS_LISTEN); is port {} in use by another process?",
        address.port()
    );
    assert_eq!(error.to_string(), expected);
}

/// On a signal: streams say good-bye, requests that are being served are answered, and only then it is over.
#[sqlx::test(migrations = "../migrations")]
async fn an_orderly_end(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let (address, serving) = serve(&app).await;
    let http = reqwest::Client::new();
    let url = format!("http://{address}/v1/executions/{id}");
    let token = ALPHA_OWNER.token(SECRET);

    let mut stream = http
        .get(format!("{url}/events"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert!(stream.chunk().await.unwrap().is_some());

    // A request that cannot finish before the row it waits for is free.
    let mut holder = app.pool.begin().await.unwrap();
    sqlx::query("select from queue.jobs for update")
        .execute(&mut *holder)
        .await
        .unwrap();
    let cancel = tokio::spawn(
        http.post(format!("{url}/cancel"))
            .bearer_auth(&token)
            .send(),
    );
    app.wait_until("the request waits in the database", async |pool| {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() and usename = 'aias_edge' and wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(pool).await.unwrap() == 1
    })
    .await;

    app.stopping.cancel();
    let mut rest = String::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        rest.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(rest.contains(": this server is stopping"), "{rest}");
    assert!(!serving.is_finished(), "one request is still being served");
    holder.rollback().await.unwrap();
    assert_eq!(cancel.await.unwrap().unwrap().status(), 200);
    tokio::time::timeout(Duration::from_secs(5), serving)
        .await
        .expect("it ends")
        .unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_client_that_hangs_up_frees_its_stream(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let (address, serving) = serve(&app).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let token = ALPHA_OWNER.token(SECRET);
    let request = format!(
        "GET /v1/executions/{id}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 64];
    socket.read_exact(&mut head).await.unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200"));
    assert_eq!(app.app.streams().watchers().len(), 1);

    drop(socket);
    app.wait_until("the watcher is gone", async |_| {
        app.app.streams().watchers().is_empty()
    })
    .await;
    // The execution goes on without an audience.
    Worker::claim(&app.pool, id)
        .await
        .finish("succeeded", &[])
        .await;
    app.stopping.cancel();
    serving.await.unwrap();
}
