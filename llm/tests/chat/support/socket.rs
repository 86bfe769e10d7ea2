//! An HTTP server that says exactly what a test wants on the wire.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What is answered to one request.
#[derive(Clone)]
pub struct Reply {
    head: String,
    chunks: Vec<Vec<u8>>,
    end: End,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    /// As HTTP wants it.
    Whole,
    /// The connection is closed in the middle of the body.
    Torn,
    /// Nothing more is said, and the connection stays.
    Silent,
}

impl Reply {
    pub fn status(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head =
            format!("HTTP/1.1 {status} Whatever\r\nTransfer-Encoding: chunked\r\n{headers}\r\n");
        Self {
            head,
            chunks: vec![body.into()],
            end: End::Whole,
        }
    }

    /// An event stream whose events have these data.
    pub fn events(data: &[&str]) -> Self {
        let body: String = data
            .iter()
            .map(|data| format!("data: {data}\n\n"))
            .collect();
        Self::status(200, &[("Content-Type", "text/event-stream")], &body)
    }

    /// Sends the body byte by byte, so that no reader may rely on how it is cut.
    pub fn in_bytes(mut self) -> Self {
        self.chunks = self
            .chunks
            .concat()
            .into_iter()
            .map(|byte| vec![byte])
            .collect();
        self
    }

    pub fn torn(mut self) -> Self {
        self.end = End::Torn;
        self
    }

    pub fn then_silent(mut self) -> Self {
        self.end = End::Silent;
        self
    }
}

pub struct Socket {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    left: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Socket {
    /// Answers one request after the other; the last reply is repeated for ever.
    pub async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(Notify::new());
        let task = tokio::spawn({
            let (requests, left) = (requests.clone(), left.clone());
            async move {
                let mut replies = replies.into_iter().peekable();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let reply = replies.next().unwrap();
                    if replies.peek().is_none() {
                        replies = vec![reply.clone()].into_iter().peekable();
                    }
                    tokio::spawn(answer(stream, reply, requests.clone(), left.clone()));
                }
            }
        });
        Self {
            url,
            requests,
            left,
            task,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Head and body of each request so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until a client has closed a connection on which the reply went silent.
    pub async fn client_left(&self) {
        tokio::time::timeout(Duration::from_secs(10), self.left.notified())
            .await
            .expect("the client kept the connection open");
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one request per connection.
async fn answer(
    mut stream: TcpStream,
    reply: Reply,
    requests: Arc<Mutex<Vec<String>>>,
    left: Arc<Notify>,
) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    requests.lock().unwrap().push(request);
    let _ = stream.set_nodelay(true);
    let head = reply.head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    for chunk in reply.chunks.iter().filter(|chunk| !chunk.is_empty()) {
        let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
        if stream.write_all(&framed).await.is_err() {
            return;
        }
    }
    match reply.end {
        End::Whole => drop(stream.write_all(b"0\r\n\r\n").await),
        End::Torn => {}
        End::Silent => {
            let mut byte = [0];
            // Nothing but the end can come from a client that waits.
            let _ = stream.read(&mut byte).await;
            left.notify_one();
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:")?
                    .trim()
                    .parse::<usize>()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
    }
}
