//! The way to Countersign: pages ask `/auth/…` of the shop's own origin, so that its cookies are
//! theirs.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use reqwest::redirect;
use tokio::time::timeout;

use crate::MOST_READ;
use crate::shop::refused;

/// What pages ask for. The others are for services and operators, and stay where they are: on
/// loopback Countersign shows its log and its metrics to whoever asks.
const PASSED: [&str; 9] = [
    "register",
    "login",
    "refresh",
    "logout",
    "profile",
    "profile/delete",
    "password",
    "sessions",
    "sessions/{id}",
];

/// What Countersign is told of a request. Nothing else gets there: no `X-Forwarded-…` that a client
/// made up, in no spelling, no `X-Auth-…`, and nothing that is about one connection only.
const ASKED: [HeaderName; 8] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::ORIGIN,
    header::USER_AGENT,
    HeaderName::from_static("prefer"),
    HeaderName::from_static("sec-fetch-site"),
];

/// What the page is told of an answer. Countersign's policy for its own pages is not for these.
const ANSWERED: [HeaderName; 6] = [
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::RETRY_AFTER,
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("x-request-id"),
];

/// Longer than Countersign takes for anything, hashing queue and `Prefer: wait` included.
const PATIENCE: Duration = Duration::from_secs(40);

/// Hundreds of devices.
const MOST_ANSWERED: usize = 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Passage {
    client: reqwest::Client,
    issuer: String,
}

impl Passage {
    pub(crate) fn to(issuer: &str) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            // Credentials go to the address that was configured and nowhere else.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .build()?;
        let issuer = issuer.trim_end_matches('/').to_owned();
        Ok(Self { client, issuer })
    }

    async fn pass(&self, from: SocketAddr, request: Request) -> reqwest::Result<Response> {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, MOST_READ).await else {
            let why = "The body is too large";
            return Ok(refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                why,
            ));
        };
        // A query is nobody's here.
        let path = parts.uri.path().trim_start_matches("/auth/");
        // An address would be tidied on its way, and be another than the one that was matched.
        if path.contains(['%', '.', '\\']) {
            let why = "There is nothing here";
            return Ok(refused(StatusCode::NOT_FOUND, "not_found", why));
        }
        let mut headers = copied(&parts.headers, &ASKED);
        if let Ok(address) = HeaderValue::try_from(from.ip().to_string()) {
            headers.insert("x-forwarded-for", address);
        }
        let request = self
            .client
            .request(parts.method, format!("{}/{path}", self.issuer));
        let mut answer = request.headers(headers).body(body).send().await?;
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            if text.len() + piece.len() > MOST_ANSWERED {
                return Ok(away());
            }
            text.extend_from_slice(&piece);
        }
        let mut response = Response::new(Body::from(Bytes::from(text)));
        *response.status_mut() = answer.status();
        *response.headers_mut() = copied(answer.headers(), &ANSWERED);
        Ok(response)
    }
}

/// The headers of these names, each as often as it was there: one that came twice is refused by
/// Countersign, and must not look like one that came once.
fn copied(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut copy = HeaderMap::new();
    for name in names {
        for value in headers.get_all(name) {
            copy.append(name, value.clone());
        }
    }
    copy
}

/// No reason to sign anybody out: wait, and try again.
fn away() -> Response {
    let why = "Countersign cannot be reached just now";
    let answer = refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why);
    ([(header::RETRY_AFTER, "1")], answer).into_response()
}

async fn pass(
    State(passage): State<Passage>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match timeout(PATIENCE, passage.pass(from, request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) | Err(_) => away(),
    }
}

/// `/auth/…`, as far as pages need it.
pub(crate) fn routes(passage: Passage) -> Router {
    PASSED
        .iter()
        .fold(Router::new(), |routes, path| {
            routes.route(&format!("/auth/{path}"), any(pass))
        })
        .with_state(passage)
}
