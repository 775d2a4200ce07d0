//! `GET /`: one small page for whoever opens the address in a browser.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use minijinja::{Environment, context};

use super::Site;
use super::error::ApiError;
use super::metadata::why_not_ready;

const TEMPLATE: &str = include_str!("home.html");
const STYLE: &str = include_str!("home.css");

/// The page: what this is, whether it is ready, and what to type.
pub async fn home(State(site): State<Site>) -> Result<Response, ApiError> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    let not_ready = why_not_ready(&site).await;
    let page = templates.render_str(
        TEMPLATE,
        context! {
            version => env!("CARGO_PKG_VERSION"),
            url => &site.public_url,
            not_ready,
        },
    );
    let page = page.map_err(|error| countersign_flows::FlowError::Internal(error.to_string()))?;
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                  frame-ancestors 'none'";
    Ok((
        header_of(header::CONTENT_SECURITY_POLICY, policy),
        Html(page),
    )
        .into_response())
}

/// The page's style sheet, a file of its own so that the policy needs no exception.
pub async fn style() -> Response {
    let mut response = (
        header_of(header::CONTENT_TYPE, "text/css; charset=utf-8"),
        STYLE,
    )
        .into_response();
    let cache = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    response
}

fn header_of(name: HeaderName, value: &'static str) -> [(HeaderName, HeaderValue); 1] {
    [(name, HeaderValue::from_static(value))]
}
