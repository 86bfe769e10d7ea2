//! Traces of calls to models, sent by OTLP over HTTP where the environment says so. See the README.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// Whose spans leave the process. Others have what must not: statements, claims, addresses of tenants.
const TARGET: &str = "llm";

/// The exporter cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to where OTEL_EXPORTER_OTLP_ENDPOINT says: {0}")]
pub struct CannotTrace(#[from] ExporterBuildError);

/// Sends spans in the background. When it is dropped, those that are left are sent, for some seconds at most.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// None when no address is set.
    ///
    /// # Errors
    /// When the address, or another of the exporter's variables, is not what it should be.
    pub fn from_environment(service: &'static str) -> Result<Option<Self>, CannotTrace> {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !ENDPOINTS.into_iter().any(is_set) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder().with_http().build()?;
        Ok(Some(Self::by(exporter, service)))
    }

    /// To this address, whatever the environment says: the whole of it, with its path.
    ///
    /// # Errors
    /// When it is not one.
    pub fn to(address: &str, service: &'static str) -> Result<Self, CannotTrace> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(address)
            .build()?;
        Ok(Self::by(exporter, service))
    }

    fn by(exporter: SpanExporter, service: &'static str) -> Self {
        let mut resource = Resource::builder();
        // The detectors of the builder have read it already.
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(service);
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Self(provider)
    }

    /// What listens to the spans. It has a filter of its own: what is logged and what is traced are two things.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(TARGET))
            .with_location(false)
            .with_threads(false)
            .with_filter(Targets::new().with_target(TARGET, Level::INFO))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Whoever collects them is away, and has been told in the log.
        let _ = self.0.shutdown();
    }
}
