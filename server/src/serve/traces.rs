//! Traces for OpenTelemetry: which routes were requested, how long they took, and how
//! much of that was ranking and training.
//!
//! The usual environment variables decide: nothing is sent unless
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (or `..._TRACES_ENDPOINT`) names a collector. A span
//! has a method, a route as declared, a status and times. No span names a person, an
//! item, a shard or a request. No event is attached, since events of libraries may
//! quote what they work on.

use anyhow::{Context as _, Result, bail};
use axum::http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of the spans that are sent; no others are.
pub(super) const TARGET: &str = "eemu_server::traces";

/// Sends the remaining spans when it is dropped.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Traces as the environment configures them; `None` when it names no collector.
    ///
    /// # Errors
    /// When the environment asks for something that is not supported.
    pub(super) fn of_environment() -> Result<Option<Self>> {
        let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let off = value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || value("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let places = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        if off || places.iter().all(|name| value(name).is_none()) {
            return Ok(None);
        }
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if let Some(other) = value(name).filter(|value| value != "http/protobuf") {
                bail!("{name} is '{other}'; give http/protobuf, which is what eemu sends");
            }
        }
        crate::tls::choose();
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().build();
        let exporter = exporter.context("traces cannot be sent; check OTEL_EXPORTER_OTLP_ENDPOINT")?;
        let resource = Resource::builder();
        let named = value("OTEL_SERVICE_NAME").is_some();
        let resource = if named { resource } else { resource.with_service_name("eemu") };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build());
        Ok(Some(Self(provider.build())))
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer("eemu")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // If the collector does not answer, the remaining spans are lost.
        let _ = self.0.shutdown();
    }
}

/// The span of a request, as a child of the caller's span if the headers name one.
pub(super) fn request(method: &str, route: &str, headers: &HeaderMap) -> Span {
    let name = format!("{method} {route}");
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = name,
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        otel.status_code = Empty,
    );
    if headers.contains_key("traceparent") {
        // If the parent cannot be set, the span starts a trace of its own.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
    }
    span
}

/// Sets the status of a request's span.
pub(super) fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of a piece of work, as a child of the present one.
macro_rules! work {
    ($name:literal) => {
        tracing::info_span!(target: $crate::serve::traces::TARGET, $name)
    };
}
pub(super) use work;

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}
