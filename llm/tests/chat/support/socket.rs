//! An HTTP server that says exactly what a test wants on the wire.

use std::sync::atomic::{AtomicUsize, Ordering};
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

    /// The chunks as HTTP frames them.
    fn framed(&self) -> Vec<Vec<u8>> {
        let chunks = self.chunks.iter().filter(|chunk| !chunk.is_empty());
        chunks
            .map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
            .collect()
    }
}

pub struct Socket {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    left: Arc<Notify>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Socket {
    /// Gives the same answer to each request, and lets a connection be used again.
    pub async fn start_kept_alive(reply: Reply) -> Self {
        Self::serve(vec![reply], true).await
    }

    /// Answers one request after the other; the last reply is repeated for ever.
    pub async fn start(replies: Vec<Reply>) -> Self {
        Self::serve(replies, false).await
    }

    async fn serve(replies: Vec<Reply>, keep: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(Notify::new());
        let connections = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn({
            let (requests, left) = (requests.clone(), left.clone());
            let connections = connections.clone();
            async move {
                let mut replies = replies.into_iter().peekable();
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    connections.fetch_add(1, Ordering::SeqCst);
                    let reply = replies.next().unwrap();
                    if replies.peek().is_none() {
                        replies = vec![reply.clone()].into_iter().peekable();
                    }
                    let (requests, left) = (requests.clone(), left.clone());
                    tokio::spawn(async move {
                        while answer(&mut stream, &reply, &requests, &left, keep).await && keep {}
                    });
                }
            }
        });
        Self {
            url,
            requests,
            left,
            connections,
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

    /// How often a client has connected.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
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

/// Answers one request; whether it came and was answered.
async fn answer(
    stream: &mut TcpStream,
    reply: &Reply,
    requests: &Mutex<Vec<String>>,
    left: &Notify,
    keep: bool,
) -> bool {
    let Some(request) = read_request(stream).await else {
        return false;
    };
    requests.lock().unwrap().push(request);
    let _ = stream.set_nodelay(true);
    if keep {
        // In one piece: a client that has read what it wants has seen the end too.
        let whole = [
            reply.head.as_bytes(),
            &reply.framed().concat(),
            b"0\r\n\r\n",
        ]
        .concat();
        return stream.write_all(&whole).await.is_ok();
    }
    let head = reply.head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    if stream.write_all(head.as_bytes()).await.is_err() {
        return false;
    }
    for chunk in reply.framed() {
        if stream.write_all(&chunk).await.is_err() {
            return false;
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
    true
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
