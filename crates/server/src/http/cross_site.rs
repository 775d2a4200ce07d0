//! The cross-site rule: a change that rides on a cookie, or sets one, must come from our own pages
//! or from an origin that the operator named.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, header};

use super::Site;
use super::error::{ApiError, cross_site};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses an unsafe request from another site that carries one of our cookies.
pub fn check_change(site: &Site, request: &Request) -> Result<(), ApiError> {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if safe || !site.cookies.any(request.headers()) {
        return Ok(());
    }
    check(site, request.headers())
}

/// The rule itself; asked directly by what would set a cookie.
///
/// A cross-site form could otherwise sign the visitor in as somebody else, which is why logins that
/// set cookies are included. Neither header means that it is no browser, and carries no visitor's
/// cookies. Own are the public URL and the hosts of `forward_auth.hosts`, which pass our routes on.
pub fn check(site: &Site, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins
        .next()
        .map(|origin| origin.to_str().unwrap_or("null"));
    let mut fetched = headers.get_all(&SEC_FETCH_SITE).iter();
    let fetch_site = fetched.next().map(|value| value.as_bytes());
    if origins.next().is_some() || fetched.next().is_some() {
        return Err(cross_site());
    }
    let named = origin.is_some_and(|origin| site.cors_origins.iter().any(|known| known == origin));
    let allowed = match (fetch_site, origin) {
        _ if named => true,
        (Some(fetch_site), _) => matches!(fetch_site, b"same-origin" | b"none"),
        (None, Some(origin)) => site.own_origins.iter().any(|own| own.as_str() == origin),
        (None, None) => true,
    };
    if allowed { Ok(()) } else { Err(cross_site()) }
}
