//! Traces: one span for each request, sent to an OpenTelemetry collector. Only in binaries that were
//! built with the feature `otlp`.
//!
//! A span says no more than a line of the log: the method, the route as it was declared, the status,
//! the code of a refusal, the request id. Spans wait in a bounded queue and are sent by a thread of
//! their own; where the collector is slow or away they are dropped, and no request waits for it.

use std::fmt;
use std::time::Duration;

use axum::http::HeaderMap;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceId, TraceState, Tracer as _, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span as SdkSpan};

use crate::config::Config;

/// How long one message to the collector may take.
const EXPORT: Duration = Duration::from_secs(5);

/// Makes spans, where there is a collector.
#[derive(Clone, Default)]
pub struct Tracer(Option<(SdkTracerProvider, SdkTracer)>);

/// A request that is under way. One that is dropped was given up by its client, and ends there.
pub struct Span(Option<SdkSpan>);

impl Tracer {
    /// Starts to send, where `otlp.endpoint` is set. Outside of a runtime: the exporter has its own.
    ///
    /// # Errors
    /// Why there can be no exporter.
    pub fn start(config: &Config) -> Result<Self, String> {
        let Some(endpoint) = &config.otlp.endpoint else {
            return Ok(Self::default());
        };
        let endpoint = endpoint.to_string();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT)
            .build()
            .map_err(|error| error.to_string())?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let mut resource = Resource::builder().with_attribute(version);
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("countersign");
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer("countersign");
        Ok(Self(Some((provider, tracer))))
    }

    /// Begins the span of a request.
    pub fn begin(
        &self,
        method: &'static str,
        route: &str,
        request_id: &str,
        headers: &HeaderMap,
    ) -> Span {
        Span(self.0.as_ref().map(|(_, tracer)| {
            let parent = match parent(headers) {
                Some(parent) => Context::new().with_remote_span_context(parent),
                None => Context::new(),
            };
            let span = SpanBuilder::from_name(format!("{method} {route}"))
                .with_kind(SpanKind::Server)
                .with_attributes([
                    KeyValue::new("http.request.method", method),
                    KeyValue::new("http.route", route.to_owned()),
                    KeyValue::new("countersign.request_id", request_id.to_owned()),
                ]);
            tracer.build_with_context(span, &parent)
        }))
    }

    /// Sends what is waiting, and takes no longer than that. Blocks.
    pub fn flush(&self, within: Duration) {
        if let Some((provider, _)) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(within)
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

impl Span {
    /// Ends it with what was answered.
    pub fn end(self, status: u16, code: Option<&'static str>) {
        let Some(mut span) = self.0 else { return };
        span.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(status),
        ));
        if let Some(code) = code {
            span.set_attribute(KeyValue::new("countersign.code", code));
        }
        if status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tracer({})", self.0.is_some())
    }
}

/// The caller's span (W3C Trace Context 1, section 3.2), if there is one header of that form. Its
/// ids are taken and nothing else: whether a request is traced is not for its sender to say, and
/// `tracestate` and `baggage` are left alone.
fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let mut values = headers.get_all("traceparent").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let parts: Vec<&str> = value.to_str().ok()?.splitn(5, '-').collect();
    let &["00", trace, span, flags] = parts.as_slice() else {
        return None;
    };
    let hex = |text: &str, digits: usize| {
        let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        text.len() == digits && text.bytes().all(lower)
    };
    if !(hex(trace, 32) && hex(span, 16) && hex(flags, 2)) {
        return None;
    }
    let parent = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    parent.is_valid().then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn read(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", HeaderValue::from_bytes(value).unwrap());
        }
        parent(&headers).map(|parent| format!("{}-{}", parent.trace_id(), parent.span_id()))
    }

    #[test]
    fn a_traceparent_of_another_form_is_none() {
        let good = format!("00-{TRACE}-{SPAN}-01");
        for bad in [
            String::new(),
            good.to_uppercase(),
            format!("01-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0x"),
            format!("00-{TRACE}0-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            "00-".repeat(3_000),
        ] {
            assert_eq!(read(&[bad.as_bytes()]), None, "{bad}");
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[b"00-\xff"]), None);
        assert_eq!(read(&[good.as_bytes(), good.as_bytes()]), None, "twice");
    }

    #[test]
    fn a_callers_ids_are_taken_and_not_whether_it_wants_to_be_traced() {
        for flags in ["00", "01", "ff"] {
            let value = format!("00-{TRACE}-{SPAN}-{flags}");
            assert_eq!(read(&[value.as_bytes()]), Some(format!("{TRACE}-{SPAN}")));
        }
    }
}
