//! A name server on loopback that knows a few TXT records (RFC 1035).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

/// What a name has.
#[derive(Debug, Clone)]
pub enum Answer {
    /// TXT records, each in pieces.
    Texts(Vec<Vec<&'static str>>),
    /// SERVFAIL.
    Broken,
}

#[derive(Clone)]
pub struct NameServer {
    pub address: SocketAddr,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: socket.local_addr().unwrap(),
            answers: Arc::default(),
            asked: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 1_500];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let answer = serving.answer(&buffer[..length]);
                let _ = socket.send_to(&answer, client).await;
            }
        });
        server
    }

    pub fn set(&self, name: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(name.to_owned(), answer);
    }

    /// One record of one piece.
    pub fn set_text(&self, name: &str, text: String) {
        let text: &'static str = Box::leak(text.into_boxed_str());
        self.set(name, Answer::Texts(vec![vec![text]]));
    }

    /// The names asked for, in their order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let (name, question) = question(query);
        self.asked.lock().unwrap().push(name.clone());
        let answer = self.answers.lock().unwrap().get(&name).cloned();
        let (code, texts) = match answer {
            Some(Answer::Texts(texts)) => (0, texts),
            Some(Answer::Broken) => (2, Vec::new()),
            None => (3, Vec::new()),
        };
        let mut message = query[..2].to_vec();
        // An answer with recursion, to one question.
        message.extend([0x81, 0x80 | code, 0, 1]);
        message.extend((texts.len() as u16).to_be_bytes());
        message.extend([0; 4]);
        message.extend(question);
        for pieces in texts {
            let data: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| [&[piece.len() as u8], piece.as_bytes()].concat())
                .collect();
            // The name of the question, TXT, IN, a minute.
            message.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(data);
        }
        message
    }
}

/// The name that is asked for, and the question as it came.
fn question(query: &[u8]) -> (String, &[u8]) {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] > 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), &query[12..at + 5])
}
