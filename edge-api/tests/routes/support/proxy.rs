use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A way to the database that can be blocked: what a restart of the database looks like from outside.
pub struct Proxy {
    pub address: SocketAddr,
    target: Arc<str>,
    open: JoinSet<()>,
}

impl Proxy {
    /// Blocked at first: the address refuses connections.
    pub async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        Self {
            address,
            target: target.into(),
            open: JoinSet::new(),
        }
    }

    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("its own port again");
        let target = self.target.clone();
        self.open.spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let target = target.clone();
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(&*target).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
    }

    /// Cuts every connection, and refuses new ones.
    pub async fn block(&mut self) {
        self.open.shutdown().await;
    }
}
