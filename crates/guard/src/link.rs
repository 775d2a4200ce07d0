//! The connection to the issuer: one, which stays open from question to question.
//!
//! It lives inside whoever asks, without a task or a pool of its own: a guard asks one thing at a
//! time, and a question that is given up takes its connection with it.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::http::uri::Scheme;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::RemoteError;

/// Bytes both ways, in the clear or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Questions have no body.
type NoBody = String;

/// The way to an issuer, and the connection where there is one.
pub(crate) struct Link {
    way: Way,
    open: Option<Open>,
}

struct Way {
    host: String,
    port: u16,
    #[cfg(feature = "tls")]
    tls: Option<tls::Connector>,
}

impl Link {
    /// To the host of that address; nothing is sent yet.
    pub(crate) fn new(address: &Uri) -> Result<Self, RemoteError> {
        let secure = address.scheme() == Some(&Scheme::HTTPS);
        if !secure && address.scheme() != Some(&Scheme::HTTP) {
            return Err(unreachable(
                "the address begins with neither http:// nor https://",
            ));
        }
        if secure && cfg!(not(feature = "tls")) {
            return Err(unreachable("https needs the feature `tls`"));
        }
        let host = address.host().unwrap_or_default();
        let host = host.trim_matches(['[', ']']); // of an IPv6 address
        let way = Way {
            host: host.to_owned(),
            port: address.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            #[cfg(feature = "tls")]
            tls: secure.then(|| tls::Connector::new(host)).transpose()?,
        };
        Ok(Self { way, open: None })
    }

    /// Sends a question and waits for the head of its answer. A connection that was closed since the
    /// last answer is made anew.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<NoBody>,
        patience: Duration,
    ) -> Result<Answering<'_>, RemoteError> {
        let (open, response) = loop {
            let (mut open, is_new) = match self.open.take() {
                Some(open) => (open, false),
                None => (self.way.connect(patience).await?, true),
            };
            match open.send(request).await {
                Ok(response) => break (open, response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        };
        Ok(Answering {
            link: self,
            open,
            response,
        })
    }
}

impl Way {
    async fn connect(&self, patience: Duration) -> Result<Open, RemoteError> {
        timeout(patience, async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            #[cfg(feature = "tls")]
            if let Some(tls) = &self.tls {
                return Open::over(Box::new(tls.connect(stream).await?)).await;
            }
            Open::over(Box::new(stream)).await
        })
        .await
        .map_err(|_| RemoteError::TimedOut)?
    }
}

/// A connection that is open.
struct Open {
    sender: SendRequest<NoBody>,
    connection: Connection<TokioIo<Box<dyn Stream>>, NoBody>,
    /// Whether there is no more to be had of it.
    ended: bool,
}

impl Open {
    async fn over(stream: Box<dyn Stream>) -> Result<Self, RemoteError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            connection,
            ended: false,
        })
    }

    async fn send(
        &mut self,
        request: Request<NoBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<NoBody>>> {
        // Where this fails, so does what follows, and gives the question back.
        let _ = driven(&mut self.connection, &mut self.ended, self.sender.ready()).await;
        let answer = self.sender.try_send_request(request);
        driven(&mut self.connection, &mut self.ended, answer).await
    }
}

/// What comes of `work`, while the connection does what that waits for.
async fn driven<T>(
    connection: &mut Connection<TokioIo<Box<dyn Stream>>, NoBody>,
    ended: &mut bool,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    poll_fn(|cx| {
        if !*ended {
            // How it ended, whoever waits for something of it is told.
            *ended = Pin::new(&mut *connection).poll(cx).is_ready();
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// An answer whose head is there.
pub(crate) struct Answering<'a> {
    link: &'a mut Link,
    open: Open,
    response: Response<Incoming>,
}

impl Answering<'_> {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// How long the whole answer says it is.
    pub(crate) fn length(&self) -> Option<u64> {
        self.response.body().size_hint().exact()
    }

    /// The next piece of its body; after the last, the connection is kept for the next question.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, RemoteError> {
        let Self { open, response, .. } = self;
        let body = response.body_mut();
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
            match driven(&mut open.connection, &mut open.ended, frame).await {
                Some(frame) => {
                    // Trailers say nothing here.
                    if let Ok(piece) = frame?.into_data() {
                        return Ok(Some(piece));
                    }
                }
                None => return Ok(None),
            }
        }
    }

    /// Keeps the connection for the next question, once the body is read to its end.
    pub(crate) fn keep(self) {
        if !self.open.ended {
            self.link.open = Some(self.open);
        }
    }
}

fn unreachable(why: &str) -> RemoteError {
    RemoteError::Unreachable(why.to_owned())
}

#[cfg(feature = "tls")]
mod tls {
    use std::io;
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, crypto::aws_lc_rs};
    use rustls_platform_verifier::BuilderVerifierExt;
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    use super::unreachable;
    use crate::RemoteError;

    /// TLS to one host, with the certificates that this machine trusts.
    pub(super) struct Connector {
        name: ServerName<'static>,
        tls: TlsConnector,
    }

    impl Connector {
        pub(super) fn new(host: &str) -> Result<Self, RemoteError> {
            let name = ServerName::try_from(host.to_owned());
            let name = name.map_err(|_| unreachable("the address has no host"))?;
            let config = || {
                let provider = Arc::new(aws_lc_rs::default_provider());
                let config = ClientConfig::builder_with_provider(provider);
                let config = config.with_safe_default_protocol_versions()?;
                Ok(config.with_platform_verifier()?.with_no_client_auth())
            };
            let config =
                config().map_err(|error: rustls::Error| unreachable(&error.to_string()))?;
            let tls = TlsConnector::from(Arc::new(config));
            Ok(Self { name, tls })
        }

        pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
            self.tls.connect(self.name.clone(), stream).await
        }
    }
}
