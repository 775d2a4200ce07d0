//! The pages that `vite build` made, and what every answer says about itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{self, InvalidHeaderValue};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::shop::refused;

const INDEX: &str = "/index.html";

/// Every file of the pages, read once: what was not there then cannot be asked for.
#[derive(Debug)]
pub(crate) struct Pages(BTreeMap<String, (&'static str, Bytes)>);

impl Pages {
    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut folders = vec![(String::new(), folder.to_owned())];
        while let Some((path, folder)) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let name = format!("{path}/{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() {
                    folders.push((name, entry.path()));
                } else {
                    let file = (kind(&name), Bytes::from(fs::read(entry.path())?));
                    files.insert(name, file);
                }
            }
        }
        if files.contains_key(INDEX) {
            return Ok(Self(files));
        }
        let what = format!(
            "{} has no index.html: npm run build makes it",
            folder.display()
        );
        Err(io::Error::new(io::ErrorKind::NotFound, what))
    }

    /// What no other route has: a file, or the one page, which finds out by itself what to show.
    pub(crate) fn routes(self) -> Router {
        let pages = Arc::new(self);
        Router::new().fallback(async move |request: Request| pages.answer(&request))
    }

    fn answer(&self, request: &Request) -> Response {
        let path = request.uri().path();
        let below = |folder| path.starts_with(folder);
        let made_for_good = below("/assets/");
        let index = || {
            let of_others = made_for_good || below("/api/") || below("/auth/");
            self.0.get(INDEX).filter(|_| !of_others)
        };
        let Some((kind, file)) = self.0.get(path).or_else(index) else {
            return refused(StatusCode::NOT_FOUND, "not_found", "There is nothing here");
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let why = "This can only be looked at";
            return refused(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", why);
        }
        // The names of assets change with what is in them.
        let keep = if made_for_good {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let headers = [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, keep)];
        (headers, file.clone()).into_response()
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A page runs our files only, asks this origin and Countersign only, and stands in no frame. Text
/// that finds its way into a script or into HTML is refused by the browser (Trusted Types).
pub(crate) fn careful_headers(
    issuer: &str,
) -> Result<impl Fn(Request, Next) -> Answering + Clone + Send + Sync + 'static, InvalidHeaderValue>
{
    let policy = HeaderValue::try_from(format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        origin(issuer)
    ))?;
    Ok(move |request: Request, next: Next| -> Answering {
        let policy = policy.clone();
        Box::pin(async move {
            let mut response = next.run(request).await;
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
            for (name, value) in [
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
                (
                    HeaderName::from_static("cross-origin-opener-policy"),
                    "same-origin",
                ),
                (
                    HeaderName::from_static("cross-origin-resource-policy"),
                    "same-origin",
                ),
            ] {
                headers.insert(name, HeaderValue::from_static(value));
            }
            // Answers of the API are about whoever asked.
            headers
                .entry(header::CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-store"));
            response
        })
    })
}

/// Scheme, host and port of an address.
fn origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address[host..]
        .find('/')
        .map_or(address.len(), |at| host + at);
    &address[..end]
}
