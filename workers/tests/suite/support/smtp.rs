//! A mail server on loopback that keeps what it is given, and misbehaves when told to (RFC 5321, 3207, 4954).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::received::Received;

/// What is done with one mail. Without one it is taken.
#[derive(Debug, Clone, Copy)]
pub enum Behaviour {
    /// This answer to its recipient.
    RefuseRecipient(&'static str),
    /// This answer to its content.
    RefuseContent(&'static str),
    /// Takes it, and breaks the connection instead of saying so.
    HangUpAfterData,
    /// Takes it, and never says so.
    SayNothing,
}

/// An answer that is not given: the connection stays, or not.
enum Silence {
    Open,
    Closed,
}

/// What its clients have to do first.
#[derive(Default)]
pub struct Door {
    /// `user`, `password`
    pub login: Option<(&'static str, &'static str)>,
    pub encryption: Encryption,
}

#[derive(Default)]
pub enum Encryption {
    #[default]
    None,
    FromTheStart(TlsAcceptor),
    StartTls(TlsAcceptor),
}

#[derive(Default)]
struct Shared {
    door: Door,
    behaviours: Mutex<VecDeque<Behaviour>>,
    received: Mutex<Vec<Received>>,
    commands: Mutex<Vec<String>>,
    connections: Mutex<u32>,
}

pub struct SmtpSink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl SmtpSink {
    pub async fn start() -> Self {
        Self::start_behind(Door::default()).await
    }

    /// One that takes nothing from those who do not log in.
    pub async fn start_with_login(user: &'static str, password: &'static str) -> Self {
        Self::start_behind(Door {
            login: Some((user, password)),
            ..Door::default()
        })
        .await
    }

    pub async fn start_behind(door: Door) -> Self {
        let shared = Arc::new(Shared {
            door,
            ..Shared::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *serving.connections.lock().unwrap() += 1;
                // A client that goes away in the middle is no failure of the test.
                tokio::spawn(Session::serve(stream, Arc::clone(&serving)));
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What is done with the mails to come, in their order.
    pub fn behave(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.shared.behaviours.lock().unwrap().extend(behaviours);
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// The first words of all commands so far.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    pub fn connections(&self) -> u32 {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until there are so many mails.
    pub async fn until_received(&self, count: usize) -> Vec<Received> {
        let begun = Instant::now();
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(
                begun.elapsed() < super::PATIENCE,
                "only {} mails; {:?}",
                received.len(),
                self.commands()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A connection, encrypted or not.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

struct Session {
    stream: BufReader<Box<dyn Wire>>,
    shared: Arc<Shared>,
    is_known: bool,
    is_encrypted: bool,
    mail: Received,
}

impl Session {
    /// Until the client or the script ends it.
    async fn serve(stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
        let wire: Box<dyn Wire> = match &shared.door.encryption {
            Encryption::FromTheStart(tls) => Box::new(tls.accept(stream).await.ok()?),
            _ => Box::new(stream),
        };
        let mut session = Self {
            stream: BufReader::new(wire),
            is_known: shared.door.login.is_none(),
            is_encrypted: !matches!(shared.door.encryption, Encryption::StartTls(_)),
            shared,
            mail: Received::default(),
        };
        session.say("220 sink.test ready").await?;
        loop {
            let line = session.line().await?;
            let command: String = line.chars().take(4).collect::<String>().to_uppercase();
            session
                .shared
                .commands
                .lock()
                .unwrap()
                .push(command.clone());
            if command == "STAR" {
                session = session.start_tls().await?;
            } else {
                session.answer(&command, &line).await?;
            }
        }
    }

    async fn answer(&mut self, command: &str, line: &str) -> Option<()> {
        match command {
            "EHLO" => {
                let offers = match (self.is_encrypted, self.shared.door.login) {
                    (false, _) => "STARTTLS",
                    (true, Some(_)) => "AUTH PLAIN",
                    (true, None) => "8BITMIME",
                };
                self.say(&format!("250-sink.test\r\n250 {offers}")).await
            }
            "NOOP" | "RSET" => self.say("250 2.0.0 ok").await,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                None
            }
            _ if !self.is_encrypted => self.say("530 5.7.0 encryption required").await,
            "AUTH" => self.log_in(line).await,
            _ if !self.is_known => self.say("530 5.7.0 authentication required").await,
            "MAIL" => {
                self.mail = Received {
                    from: address(line),
                    ..Received::default()
                };
                self.say("250 2.1.0 ok").await
            }
            "RCPT" => self.recipient(line).await,
            "DATA" => self.content().await,
            _ => self.say("502 5.5.1 not here").await,
        }
    }

    /// RFC 3207.
    async fn start_tls(mut self) -> Option<Self> {
        let Encryption::StartTls(tls) = &self.shared.door.encryption else {
            self.say("502 5.5.1 not here").await?;
            return Some(self);
        };
        let tls = tls.clone();
        self.say("220 2.0.0 go ahead").await?;
        let wire = tls.accept(self.stream.into_inner()).await.ok()?;
        Some(Self {
            stream: BufReader::new(Box::new(wire)),
            is_encrypted: true,
            ..self
        })
    }

    async fn log_in(&mut self, line: &str) -> Option<()> {
        let given = line.strip_prefix("AUTH PLAIN ").map(str::trim);
        let wanted = self
            .shared
            .door
            .login
            .map(|(user, password)| STANDARD.encode(format!("\0{user}\0{password}")));
        self.is_known = given.is_some() && given == wanted.as_deref();
        self.say(if self.is_known {
            "235 2.7.0 welcome"
        } else {
            "535 5.7.8 authentication failed"
        })
        .await
    }

    async fn recipient(&mut self, line: &str) -> Option<()> {
        let refused = self.next_if(|behaviour| match behaviour {
            Behaviour::RefuseRecipient(answer) => Some(answer),
            _ => None,
        });
        if let Some(answer) = refused {
            return self.say(answer).await;
        }
        self.mail.to.push(address(line));
        self.say("250 2.1.5 ok").await
    }

    async fn content(&mut self) -> Option<()> {
        self.say("354 go ahead").await?;
        loop {
            let line = self.line().await?;
            if line == ".\r\n" {
                break;
            }
            // RFC 5321, section 4.5.2.
            let line = line.strip_prefix('.').unwrap_or(&line);
            self.mail.message.push_str(line);
        }
        let refused = self.next_if(|behaviour| match behaviour {
            Behaviour::RefuseContent(answer) => Some(answer),
            _ => None,
        });
        if let Some(answer) = refused {
            return self.say(answer).await;
        }
        let mail = std::mem::take(&mut self.mail);
        self.shared.received.lock().unwrap().push(mail);
        let silence = self.next_if(|behaviour| match behaviour {
            Behaviour::HangUpAfterData => Some(Silence::Closed),
            Behaviour::SayNothing => Some(Silence::Open),
            _ => None,
        });
        match silence {
            None => self.say("250 2.0.0 taken").await,
            Some(Silence::Closed) => None,
            Some(Silence::Open) => std::future::pending().await,
        }
    }

    /// Takes the next behaviour if it is one of these.
    fn next_if<T>(&self, wanted: impl Fn(Behaviour) -> Option<T>) -> Option<T> {
        let mut behaviours = self.shared.behaviours.lock().unwrap();
        let found = behaviours.front().copied().and_then(wanted)?;
        behaviours.pop_front();
        Some(found)
    }

    async fn say(&mut self, answer: &str) -> Option<()> {
        let answer = format!("{answer}\r\n");
        self.stream.write_all(answer.as_bytes()).await.ok()?;
        self.stream.flush().await.ok()
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.ok()?;
        (read > 0).then_some(line)
    }
}

/// `MAIL FROM:<a@b>` is from `a@b`.
fn address(line: &str) -> String {
    let from = line.find('<').map_or(0, |at| at + 1);
    let to = line.find('>').unwrap_or(line.len());
    line[from..to].to_owned()
}
