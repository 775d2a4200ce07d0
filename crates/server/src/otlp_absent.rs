//! In place of `otlp.rs`, in binaries that were built without the feature: nothing is traced.

use std::time::Duration;

use axum::http::HeaderMap;

use crate::config::Config;

/// Makes no spans.
#[derive(Debug, Clone, Default)]
pub struct Tracer(());

/// No span.
#[derive(Debug)]
pub struct Span;

impl Tracer {
    /// Says that nothing will be sent, where `otlp.endpoint` asks for it. It is no mistake: the
    /// variable that it is also read from may be there for other programs.
    ///
    /// # Errors
    /// None.
    pub fn start(config: &Config) -> Result<Self, String> {
        if config.otlp.endpoint.is_some() {
            tracing::warn!("otlp.endpoint is set, and this binary was built without otlp");
        }
        Ok(Self(()))
    }

    /// Nothing.
    pub fn begin(&self, _: &'static str, _: &str, _: &str, _: &HeaderMap) -> Span {
        Span
    }

    /// Nothing.
    pub fn flush(&self, _: Duration) {}
}

impl Span {
    /// Nothing.
    pub fn end(self, _: u16, _: Option<&'static str>) {}
}
