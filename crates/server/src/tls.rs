//! TLS from files, which may be replaced while the server runs.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of them cannot be read, or holds something else.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it. Nothing that stands in it.
        why: String,
    },
    /// They do not go together, or not with TLS.
    #[error("tls.cert and tls.key: {0}")]
    Pair(#[from] rustls::Error),
}

/// The certificate in use, and the files that it came from.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("cert", &self.cert)
            .finish_non_exhaustive()
    }
}

/// When the files were last written, as far as the file system tells.
type Written = [Option<SystemTime>; 2];

impl Tls {
    /// Reads the files, if there are to be any.
    ///
    /// # Errors
    /// [`TlsError`] where they are of no use.
    pub fn open(files: &config::Tls) -> Result<Option<Arc<Self>>, TlsError> {
        let (Some(cert), Some(key)) = (&files.cert, &files.key) else {
            return Ok(None);
        };
        Ok(Some(Arc::new(Self {
            current: RwLock::new(read(cert, key)?),
            cert: cert.clone(),
            key: key.clone(),
        })))
    }

    /// What the next connection is greeted with.
    pub fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current))
    }

    /// Takes over files that are replaced, again and again. Those that are of no use are not taken
    /// over: the old ones go on, and the log says so.
    pub async fn follow(self: Arc<Self>) {
        let mut known = self.written();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let found = self.written();
            if found == known {
                continue;
            }
            known = found;
            match read(&self.cert, &self.key) {
                Ok(new) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
                    tracing::info!(cert = %self.cert.display(), "a new certificate is in use");
                }
                Err(error) => {
                    // The second file may be on its way: look again, changed or not.
                    known = [None; 2];
                    tracing::error!(%error, "a new certificate is of no use: the old one stays");
                }
            }
        }
    }

    fn written(&self) -> Written {
        [&self.cert, &self.key].map(|path| std::fs::metadata(path).ok()?.modified().ok())
    }
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let wrong = |path: &Path, why: String| TlsError::File {
        path: path.to_owned(),
        why,
    };
    let open = |path: &Path| {
        std::fs::read(path).map_err(|error: io::Error| wrong(path, error.to_string()))
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&open(cert)?)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong(cert, "is no PEM".to_owned()))?;
    if chain.is_empty() {
        return Err(wrong(cert, "holds no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&open(key)?)
        .map_err(|_| wrong(key, "holds no private key in PEM".to_owned()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
