//! A certificate for this machine that nobody trusts who is not told to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The certificate's file is gone with it.
pub struct Certificate {
    pub acceptor: TlsAcceptor,
    file: PathBuf,
}

impl Certificate {
    /// For `localhost`.
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let file = std::env::temp_dir().join(format!("aias-certificate-{}", uuid::Uuid::now_v7()));
        std::fs::write(&file, made.cert.pem()).unwrap();
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            file,
        }
    }

    /// What trusts it has to read.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}
