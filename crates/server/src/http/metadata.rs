//! What other programs discover: keys, metadata, the OpenAPI document; and whether we are well.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use countersign_flows::{FlowError, log};
use countersign_token::Jwks;
use serde::Serialize;
use utoipa::ToSchema;

use super::Site;
use super::error::{ApiError, ErrorBody, not_ready};
use super::json::Json;

/// How far this node's clock may be from the database's.
const CLOCK_TOLERANCE_MILLIS: i64 = 5_000;

/// The public keys that verify tokens (RFC 7517). Empty where a shared secret signs.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "discovery",
    responses((status = 200, description = "A JSON Web Key Set", body = Object))
)]
pub async fn jwks(State(site): State<Site>) -> Response {
    // A follower comes here because another node told it of new keys: that node may be ahead of
    // this one. Where the database is away, the keys that are known are better than none.
    if site.cx.log.is_current(&site.cx.clock) {
        let _ = log::look(&site.cx).await;
    }
    let jwks: Jwks = site.cx.keys.jwks(site.cx.clock.now());
    cached(Json(jwks))
}

/// Metadata of the issuer (RFC 8414).
#[derive(Debug, Serialize, ToSchema)]
pub struct Metadata {
    /// The `iss` of tokens.
    issuer: String,
    /// Where the public keys are.
    jwks_uri: String,
    /// Where services ask about a token (RFC 7662).
    introspection_endpoint: String,
    /// How they say who they are.
    introspection_endpoint_auth_methods_supported: [&'static str; 1],
    /// Where whoever holds a token takes it back (RFC 7009).
    revocation_endpoint: String,
    /// Not at all: holding the token is enough.
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    /// None: there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    /// None: `/login` is not an OAuth grant.
    grant_types_supported: [&'static str; 0],
}

/// Metadata of the issuer (RFC 8414).
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", operation_id = "metadata", tag = "discovery",
    responses((status = 200, description = "Metadata", body = Metadata))
)]
pub async fn metadata(State(site): State<Site>) -> Response {
    cached(Json(Metadata {
        issuer: site.cx.settings.issuer.clone(),
        jwks_uri: format!("{}/.well-known/jwks.json", site.public_url),
        introspection_endpoint: format!("{}/oauth2/introspect", site.public_url),
        introspection_endpoint_auth_methods_supported: ["client_secret_basic"],
        revocation_endpoint: format!("{}/oauth2/revoke", site.public_url),
        revocation_endpoint_auth_methods_supported: ["none"],
        response_types_supported: [],
        grant_types_supported: [],
    }))
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "discovery",
    responses((status = 200, description = "The OpenAPI document", body = Object))
)]
pub async fn openapi(State(site): State<Site>) -> Response {
    let json = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    cached((json, site.openapi.clone()))
}

/// Public and the same for everybody; short, since a revoked key must be gone soon.
fn cached(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    let value = HeaderValue::from_static("public, max-age=60");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether the process runs.
#[utoipa::path(
    get, path = "/healthz", operation_id = "health", tag = "operations",
    responses((status = 200, description = "The process runs", body = Health))
)]
pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether requests can be answered: database, keys, log and clock.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "operations",
    responses(
        (status = 200, description = "Ready", body = Health),
        (status = 503, description = "`not_ready`: the message says why; with Retry-After", body = ErrorBody),
    )
)]
pub async fn readyz(State(site): State<Site>) -> Result<Json<Health>, ApiError> {
    match why_not_ready(&site).await {
        None => Ok(Json(Health { status: "ok" })),
        Some(why) => Err(not_ready(why)),
    }
}

/// What keeps requests from being answered, if anything does.
pub async fn why_not_ready(site: &Site) -> Option<&'static str> {
    let cx = &site.cx;
    if !cx.log.is_current(&cx.clock) {
        return Some("The revocation log cannot be read");
    }
    if let Err(FlowError::Unavailable) = cx.keys.signing(cx.clock.now()).map(drop) {
        return Some("There is no signing key");
    }
    match cx.db.clock_offset_millis(cx.clock.now().as_millis()).await {
        Err(_) => Some("The database cannot be reached"),
        Ok(offset) if offset.abs() > CLOCK_TOLERANCE_MILLIS => {
            Some("This machine's clock is not the database's: set both right")
        }
        Ok(_) => None,
    }
}
