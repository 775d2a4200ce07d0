//! Answers in JSON.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// As many headers as an answer usually has, with those that it gets on its way out: a map that
/// grows is made anew.
const HEADERS: usize = 9;

/// An answer in JSON.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let Ok(bytes) = serde_json::to_vec(&self.0) else {
            // No answer of ours has a map whose keys are no text, or writes itself and fails.
            tracing::error!("an answer could not be written as JSON");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut headers = HeaderMap::with_capacity(HEADERS);
        let kind = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, kind);
        let mut response = Response::new(Body::from(bytes));
        *response.headers_mut() = headers;
        response
    }
}
