//! `GET /verify`, forward-auth: a proxy asks whether a request may pass to a program that knows
//! nothing of logins, and who it is that sends it.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use countersign_core::{Role, User};
use countersign_flows::authenticate;

use super::Site;
use super::cookies::Cookies;
use super::credential;
use super::cross_site;
use super::error::{ApiError, ErrorBody, Refusals, forbidden, invalid_query, token_missing};
use super::form::{self, Pairs};
use super::return_to::ReturnTo;

static SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
static USERNAME: HeaderName = HeaderName::from_static("x-auth-username");
static ROLES: HeaderName = HeaderName::from_static("x-auth-roles");
static COOKIE: HeaderName = HeaderName::from_static("x-auth-cookie");
static SIGN_IN: HeaderName = HeaderName::from_static("x-auth-sign-in");
static ERROR: HeaderName = HeaderName::from_static("x-auth-error");

/// May this request pass? A proxy asks, with the headers of the request in question.
///
/// It says the request's method in `X-Forwarded-Method` and its path with the query in
/// `X-Forwarded-Uri`. Without the method, or for one that is not GET, HEAD or OPTIONS, and for the
/// opening of a WebSocket, the cross-site rule applies to whatever rides on our cookies.
///
/// Every refusal repeats its body in `X-Auth-Error`, for proxies that cannot read it. A 401 to a
/// browser's navigation has `X-Auth-Sign-In`, the address of the sign-in page with the way back.
#[utoipa::path(
    get, path = "/verify", operation_id = "verify", tag = "discovery",
    params(
        ("role" = Option<Vec<String>>, Query, description = "A role that opens the way; of several, any one"),
        ("X-Forwarded-Method" = Option<String>, Header, description = "The method of the request in question; without it, it counts as a change"),
        ("X-Forwarded-Uri" = Option<String>, Header, description = "Its path and query, for the way back from the sign-in page"),
    ),
    responses(
        (status = 200, description = "It may", headers(
            ("X-Auth-Subject" = String, description = "The user's id"),
            ("X-Auth-Username" = String, description = "The username, else the e-mail address, as percent-encoded UTF-8"),
            ("X-Auth-Roles" = String, description = "Separated by commas; empty where there are none"),
            ("X-Auth-Cookie" = String, description = "The request's cookies without ours; empty where none are left"),
        )),
        (status = 401, description = "The credential is missing or refused", body = ErrorBody, headers(
            ("X-Auth-Sign-In" = String, description = "Where a browser signs in; for navigations only"),
        )),
        (status = 403, description = "`forbidden`: none of the roles is held; `cross_site_request`: a change from another site", body = ErrorBody),
        Refusals,
    )
)]
pub async fn verify(State(site): State<Site>, headers: HeaderMap, uri: Uri) -> Response {
    match ask(&site, &headers, uri.query().unwrap_or_default()).await {
        Ok(user) => passes(&headers, &user),
        Err(error) => refused(&site, &headers, error),
    }
}

async fn ask(site: &Site, headers: &HeaderMap, query: &str) -> Result<User, ApiError> {
    // A misspelt demand must not be one that everybody meets.
    let demanded = roles(query)?;
    if !is_safe(headers) && site.cookies.any(headers) {
        cross_site::check(site, headers)?;
    }
    let credential = credential::find(headers, site.cookies)?.ok_or_else(token_missing)?;
    // The program cannot look for itself, and what it does may be a change: the session must be
    // alive, and roles are those of now, as for our own changes.
    let user = authenticate::require_live(&site.cx, &credential)
        .await?
        .user;
    let held = |role: &Role| user.roles.has(role.as_str());
    if demanded.is_empty() || demanded.iter().any(held) {
        Ok(user)
    } else {
        Err(forbidden("None of the roles that are needed here is held"))
    }
}

fn roles(query: &str) -> Result<Vec<Role>, ApiError> {
    let pairs = Pairs::parse(query.as_bytes())
        .ok_or_else(|| invalid_query("The query is not valid"))?
        .into_inner();
    pairs
        .into_iter()
        .map(|(name, value)| match name.as_str() {
            "role" => value
                .parse()
                .map_err(|_| invalid_query("`role` is no name of a role")),
            _ => Err(invalid_query("The query takes `role` and nothing else")),
        })
        .collect()
}

/// Whether the request in question changes nothing. A proxy that forgot to say the method does not
/// thereby open a door; and a WebSocket, though opened by a GET, takes orders from then on.
fn is_safe(headers: &HeaderMap) -> bool {
    let method = forwarded_method(headers);
    matches!(method, Some(b"GET" | b"HEAD" | b"OPTIONS"))
        && !headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

fn forwarded_method(headers: &HeaderMap) -> Option<&[u8]> {
    only(headers, "x-forwarded-method").map(HeaderValue::as_bytes)
}

/// A header that was sent, and once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// All of the headers, always: a proxy that copies them leaves nothing of what a client made up.
fn passes(headers: &HeaderMap, user: &User) -> Response {
    let username = form::encode(user.name(), b"@");
    let values = [
        (&SUBJECT, user.id.to_string().into_bytes()),
        (&USERNAME, username.into_bytes()),
        (&ROLES, user.roles.to_words().join(",").into_bytes()),
        (&COOKIE, Cookies::without_ours(headers)),
    ];
    let mut response = ().into_response();
    for (name, value) in values {
        let value = HeaderValue::from_bytes(&value).unwrap_or(HeaderValue::from_static(""));
        response.headers_mut().insert(name.clone(), value);
    }
    response
}

fn refused(site: &Site, headers: &HeaderMap, error: ApiError) -> Response {
    let sign_in = (error.status() == StatusCode::UNAUTHORIZED && navigates(headers)).then(|| {
        let uri = only(headers, "x-forwarded-uri").and_then(|uri| uri.to_str().ok());
        // A path is enough: our cookies are bound to the host, so signing in elsewhere would
        // not help.
        let to = uri.filter(|uri| uri.starts_with('/')).unwrap_or("/");
        ReturnTo::read(to, &[]).by_way_of_sign_in(site)
    });
    let body = serde_json::to_string(&error.clone().into_body()).ok();
    let mut response = error.into_response();
    for (name, value) in [(&SIGN_IN, sign_in), (&ERROR, body)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name.clone(), value);
        }
    }
    response
}

/// Whether a browser is on its way to a page, and could go to another one instead.
fn navigates(headers: &HeaderMap) -> bool {
    let reads = matches!(forwarded_method(headers), Some(b"GET" | b"HEAD"));
    let wants_page = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .any(|line| line.contains("text/html"));
    let mode = headers.get("sec-fetch-mode").map(HeaderValue::as_bytes);
    reads && wants_page && mode.is_none_or(|mode| mode == b"navigate")
}
