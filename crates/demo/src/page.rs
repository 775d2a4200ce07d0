//! The page, and who may ask for it.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

const PAGE: &str = include_str!("page/demo.html");
const STYLE: &str = include_str!("page/demo.css");
const SCRIPT: &str = include_str!("page/demo.js");

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

pub(crate) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

pub(crate) async fn script() -> impl IntoResponse {
    let kind = "text/javascript; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], SCRIPT)
}

pub(crate) async fn careful_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Refuses what comes under another name (a site whose name was made to point here), and changes
/// that another site asks for.
pub(crate) async fn at_home(
    State(page): State<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let is_home = headers.get(header::HOST).is_some_and(|host| {
        let local = format!("localhost:{}", page.port());
        host.as_bytes() == page.to_string().as_bytes() || host.as_bytes() == local.as_bytes()
    });
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let mut sites = headers.get_all("sec-fetch-site").iter();
    let from_here = sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    if is_home && (from_here || !changes) {
        return next.run(request).await;
    }
    let body = json!({ "code": "not_here", "message": "The demo answers its own page only" });
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}
