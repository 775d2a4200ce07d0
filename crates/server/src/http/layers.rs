//! What happens around every request: an id, a log line, a time limit, and careful headers.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_flows::FlowError;
use countersign_flows::feed::MAX_WAIT;
use countersign_token::crypto;

use super::error::{ApiError, ErrorBody};
use super::{Site, credential, cross_site, metrics, oauth2};
use crate::places::Place;

/// Names a request in the log and in its answer.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id and its answer careful headers, and logs what became of it. The log holds
/// the route, not the path: a path can hold anything that somebody typed.
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
    careful_headers(&site, response.headers_mut());
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

/// What a request passes on the way to its route. One layer rather than one for each, and as little
/// as can be held while it is answered: a question to the feed waits inside all of them, and there
/// are thousands of those.
pub async fn pass(State(site): State<Site>, request: Request, next: Next) -> Response {
    let oauth2 = request.uri().path().starts_with("/oauth2/");
    let limit = time_limit(&site, &request);
    let place = request.extensions().get::<Place>().cloned();
    if let Some(place) = place.as_ref().filter(|place| !place.is_named()) {
        name(&site, request.headers(), place).await;
    }
    let served = place.is_none_or(|place| place.is_served());
    let mut response = match admit(&site, &request, served) {
        Ok(()) => match tokio::time::timeout(limit, next.run(request)).await {
            Ok(response) => response,
            Err(_) => too_late(),
        },
        Err(refusal) => refusal.into_response(),
    };
    if !served {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    if oauth2 {
        oauth2::in_its_shape(response)
    } else {
        response
    }
}

/// When all general places are taken, whoever proves to be a service is served, and has a place of
/// its own from then on; everybody else is told that it is busy. Whether the process runs is answered
/// to all.
fn admit(site: &Site, request: &Request, served: bool) -> Result<(), ApiError> {
    head_limit(site, request)?;
    if !served && !is_route(request, "/healthz") {
        let retry_after = Duration::from_secs(1);
        return Err(FlowError::Busy { retry_after }.into());
    }
    cross_site::check_change(site, request)
}

/// Gives a service the place that it has a right to.
async fn name(site: &Site, headers: &HeaderMap, place: &Place) {
    if let Ok(Some(_)) = credential::service(site, headers).await {
        place.name();
    }
}

/// Refuses a head above `limits.header_bytes`. The connection's own buffer stops what is much larger,
/// but takes up to twice as much where it comes in one piece.
fn head_limit(site: &Site, request: &Request) -> Result<(), ApiError> {
    let uri = request.uri().path_and_query();
    let line = uri.map_or(0, |uri| uri.as_str().len());
    let lines = request.headers().iter();
    let head = lines.fold(line, |sum, (name, value)| {
        sum + name.as_str().len() + value.len() + ": \r\n".len()
    });
    if head <= site.header_bytes {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head_too_large",
        "The head of the request is too large",
    ))
}

/// When a request has taken too long: a body that trickles in, a database that hangs.
fn time_limit(site: &Site, request: &Request) -> Duration {
    // A question to the feed waits as long as it said, which has a bound of its own.
    let extra = if is_route(request, "/revocations") {
        MAX_WAIT
    } else {
        Duration::ZERO
    };
    site.request_timeout + extra
}

fn too_late() -> Response {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "timeout",
        "The request took too long",
    )
    .into_response()
}

/// Below whatever path the public URL has.
fn is_route(request: &Request, route: &str) -> bool {
    let path = request.extensions().get::<MatchedPath>();
    path.is_some_and(|path| path.as_str().ends_with(route))
}

/// Headers that cost nothing and close doors: no sniffing, no framing, no referrer, and no storing
/// of what may hold a credential.
fn careful_headers(site: &Site, headers: &mut HeaderMap) {
    if site.sts {
        // A year, and only where TLS ends here: a proxy in front has its own (RFC 6797).
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
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
