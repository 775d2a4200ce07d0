//! Serving: listening, accepting, the tasks beside, and stopping without dropping anybody.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use countersign_flows::{Cx, log, maintenance};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceExt};

use crate::config::Config;
use crate::http::front::RequestId;
use crate::patience::Patience;
use crate::places::{Place, Places};
use crate::tls::Tls;
use crate::wire::Wire;

/// How long a client may take to send the head of a request, and a connection to lie idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a client may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The most connections that ask for metrics on a listener of their own.
const METRICS: usize = 32;

/// How a request came here, among its extensions.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The address of whoever opened the connection.
    pub peer: SocketAddr,
    /// The place of the connection.
    pub place: Place,
    /// What the request is called in the log: given by [`Front`](crate::http::front::Front).
    pub request_id: Option<RequestId>,
}

/// Serves until `stop` is ready, then finishes what is under way.
pub async fn run<S>(
    config: &Config,
    places: Places,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    routes: S,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let graceful = GracefulShutdown::new();
    let head_timeout = HEAD_TIMEOUT.min(config.server.request_timeout);
    let mut http = http1::Builder::new();
    http.header_read_timeout(head_timeout)
        .max_buf_size(config.limits.header_bytes.0)
        .half_close(false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener) => accepted,
        };
        let (routes, place) = (routes.clone(), places.enter());
        let held = place.clone();
        let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Arrival {
                peer,
                place: place.clone(),
                request_id: None,
            });
            routes.clone().oneshot(request)
        });
        let patience = Patience::new(head_timeout);
        let (mut http, watcher) = (http.clone(), graceful.watcher());
        http.timer(patience.clone());
        let acceptor = tls.as_ref().map(|tls| tls.acceptor());
        tokio::spawn(async move {
            // Clients that hang up early or send nonsense are their own affair.
            let served = async {
                let Some(acceptor) = acceptor else {
                    let stream = TokioIo::new(Wire(stream));
                    let connection = http.serve_connection(stream, service);
                    return drop(watcher.watch(connection).await);
                };
                // Boxed: who speaks in the clear does not keep the room that TLS takes.
                Box::pin(async {
                    let handshake = acceptor.accept(stream);
                    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake);
                    if let Ok(Ok(stream)) = handshake.await {
                        let connection = http.serve_connection(TokioIo::new(stream), service);
                        drop(watcher.watch(connection).await);
                    }
                })
                .await;
            };
            tokio::select! {
                biased;
                never = patience.look() => match never {},
                () = served => {}
                () = held.shown_out() => {}
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(config.server.shutdown_grace) => {
            tracing::warn!("requests were still open at the end of server.shutdown_grace");
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) => {
                // Out of descriptors, or a connection that was reset in the queue: neither ends the
                // server, and the first must not make it spin.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// The places of this process, for all that it serves but the metrics: its descriptors are shared
/// out once.
pub fn places(config: &Config) -> Places {
    Places::new(config.limits.connections, descriptors_left())
}

/// A few places beside those, so that a full server can still be measured.
pub fn places_for_metrics() -> Places {
    Places::new(METRICS / 2, METRICS)
}

/// How many connections this process may open beside its files and its database. The soft limit is
/// raised to the hard one first: it is low for programs that use `select`, which none here does.
fn descriptors_left() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const KEPT: usize = 64 + METRICS;
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let limit = match setrlimit(Resource::Nofile, most) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .map_or(usize::MAX >> 4, |limit| limit.saturating_sub(KEPT).max(16))
}

/// Looks at the log, again and again. A look that fails is said once, and once when it is over.
pub async fn follow_log(cx: Arc<Cx>) {
    let mut failing = false;
    loop {
        match log::look(&cx).await {
            Ok(()) if failing => {
                failing = false;
                tracing::info!("the database answers again");
            }
            Ok(()) => {}
            Err(error) => {
                if !failing {
                    tracing::error!(%error, "the revocation log cannot be read: answering 503");
                }
                failing = true;
            }
        }
        log::next(&cx).await;
    }
}

/// Tidies up, again and again.
pub async fn keep_tidy(cx: Arc<Cx>) {
    loop {
        tokio::time::sleep(maintenance::TIDY_EVERY).await;
        if let Err(error) = maintenance::tidy(&cx).await {
            tracing::warn!(%error, "tidying up failed; the next round tries again");
        }
    }
}
