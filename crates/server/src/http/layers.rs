//! What happens around every request: an id, a log line, a time limit, and careful headers.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_flows::feed::MAX_WAIT;
use countersign_flows::FlowError;
use countersign_token::crypto;

use super::error::{ApiError, ErrorBody};
use super::{Site, credential, metrics};
use crate::places::Place;

/// Names a request in the log and in its answer.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id, and logs what became of it. The log holds the route, not the path: a
/// path can hold anything that somebody typed.
pub async fn observe(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let id = crypto::b64(&site.cx.random.bytes::<12>());
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = metrics::method(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "(none)".to_owned(), |path| path.as_str().to_owned());
    let began = site.cx.clock.monotonic();
    let mut response = next.run(request).await;
    let took = site.cx.clock.monotonic().saturating_sub(began);
    let status = response.status().as_u16();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(target: "countersign", request_id = %id, method, route, status, micros, "request");
    let refusal = response.extensions().get::<ErrorBody>();
    let code = refusal.map(|refusal| refusal.code);
    site.metrics.note(method, route, status, code, took);
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    response
}

/// Refuses a head above `limits.header_bytes`. The connection's own buffer stops what is much larger,
/// but takes up to twice as much where it comes in one piece.
pub async fn head_limit(State(site): State<Site>, request: Request, next: Next) -> Response {
    let uri = request.uri().path_and_query();
    let line = uri.map_or(0, |uri| uri.as_str().len());
    let lines = request.headers().iter();
    let head = lines.fold(line, |sum, (name, value)| {
        sum + name.as_str().len() + value.len() + ": \r\n".len()
    });
    if head <= site.header_bytes {
        return next.run(request).await;
    }
    ApiError::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head_too_large",
        "The head of the request is too large",
    )
    .into_response()
}

/// When all general places are taken: serves whoever proves to be a service, which has a place of
/// its own from then on, and tells everybody else that it is busy. Whether the process runs is
/// answered to all.
pub async fn admit(State(site): State<Site>, request: Request, next: Next) -> Response {
    let Some(place) = request.extensions().get::<Place>().cloned() else {
        return next.run(request).await;
    };
    if !place.is_named()
        && let Ok(Some(_)) = credential::service(&site, request.headers()).await
    {
        place.name();
    }
    if place.is_served() {
        return next.run(request).await;
    }
    let mut response = if is_route(&request, "/healthz") {
        next.run(request).await
    } else {
        let retry_after = Duration::from_secs(1);
        ApiError::from(FlowError::Busy { retry_after }).into_response()
    };
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Ends a request that takes too long: a body that trickles in, a database that hangs.
pub async fn time_limit(State(site): State<Site>, request: Request, next: Next) -> Response {
    // A question to the feed waits as long as it said, which has a bound of its own.
    let extra = if is_route(&request, "/revocations") {
        MAX_WAIT
    } else {
        Duration::ZERO
    };
    match tokio::time::timeout(site.request_timeout + extra, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "The request took too long",
        )
        .into_response(),
    }
}

/// Below whatever path the public URL has.
fn is_route(request: &Request, route: &str) -> bool {
    let path = request.extensions().get::<MatchedPath>();
    path.is_some_and(|path| path.as_str().ends_with(route))
}

/// Headers that cost nothing and close doors: no sniffing, no framing, no referrer, and no storing
/// of what may hold a credential.
pub async fn careful_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Answers for origins that the operator named, and nothing to others (Fetch standard, CORS).
pub fn cors(origins: &[String]) -> Option<tower_http::cors::CorsLayer> {
    use tower_http::cors::{AllowOrigin, CorsLayer};
    if origins.is_empty() {
        return None;
    }
    let origins: Vec<HeaderValue> = origins
        .iter()
        .filter_map(|origin| HeaderValue::try_from(origin.as_str()).ok())
        .collect();
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
            .expose_headers([
                header::RETRY_AFTER,
                header::WWW_AUTHENTICATE,
                X_REQUEST_ID.clone(),
            ])
            .max_age(Duration::from_secs(600)),
    )
}
