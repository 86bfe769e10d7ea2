//! The way to the mail server.
//!
//! The connections are kept here and not in the library's pool: that one takes a connection back in whatever state a call left it that was
//! given up, and the answers to the next mail would be those to the last. Here only what ended well is used again.

use std::time::{Duration, Instant};

use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{SmtpServer, Tls, Undelivered};

/// For connecting, encryption and login together.
const CONNECT: Duration = Duration::from_secs(20);
/// For one mail, its last answer included.
const SEND: Duration = Duration::from_secs(60);
/// Servers close connections that say nothing; many after a minute.
const IDLE: Duration = Duration::from_secs(30);

/// Sends mails, over connections that are used again.
pub struct Smtp {
    server: SmtpServer,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Smtp {
    pub fn new(server: SmtpServer) -> Self {
        Self {
            server,
            idle: Mutex::default(),
        }
    }

    /// How long one mail may take in all.
    pub const LONGEST: Duration = Duration::from_secs(CONNECT.as_secs() * 2 + SEND.as_secs());

    /// Sends a mail; when it answers well, the mail server has taken it over.
    ///
    /// # Errors
    /// Why it did not go, or, when the answer was lost, why that is not known.
    pub async fn send(&self, message: &Message) -> Result<(), Undelivered> {
        let mut connection = match self.used().await {
            Some(connection) => connection,
            None => timeout(CONNECT, self.connect())
                .await
                .map_err(|_| Undelivered::too_slow())?
                .map_err(|error| Undelivered::before(&error))?,
        };
        let written = message.formatted();
        timeout(SEND, connection.send(message.envelope(), &written))
            .await
            .map_err(|_| Undelivered::interrupted("no answer in time".to_owned()))?
            .map_err(|error| Undelivered::during(&error))?;
        self.idle.lock().await.push((connection, Instant::now()));
        Ok(())
    }

    /// A connection that is there and still answers.
    async fn used(&self) -> Option<AsyncSmtpConnection> {
        let mut connection = loop {
            let (connection, since) = self.idle.lock().await.pop()?;
            if since.elapsed() < IDLE {
                break connection;
            }
        };
        let answers = timeout(CONNECT, connection.test_connected()).await == Ok(true);
        answers.then_some(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let server = &self.server;
        let tls = || TlsParameters::new(server.host.clone());
        let wrapping = match server.tls {
            Tls::Wrapped => Some(tls()?),
            Tls::StartTls | Tls::None => None,
        };
        let hello = ClientId::default();
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (server.host.as_str(), server.port),
            Some(CONNECT),
            &hello,
            wrapping,
            None,
        )
        .await?;
        if server.tls == Tls::StartTls {
            connection.starttls(tls()?, &hello).await?;
        }
        if let Some(credentials) = &server.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}
