//! Log lines on standard error, as text or JSON, and traces where the environment names
//! a collector.

use anyhow::Result;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use super::settings::{LogFormat, LogLevel};
use super::traces::{TARGET, Traces};

/// Held while the process logs. When it is dropped it sends the remaining traces.
#[must_use]
pub struct Logging(#[expect(dead_code, reason = "held for its end")] Option<Traces>);

impl std::fmt::Debug for Logging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logging(..)")
    }
}

/// Starts logging; does nothing when it is started already.
///
/// # Errors
/// When the environment asks for traces that cannot be sent.
pub fn start(format: LogFormat, level: LogLevel) -> Result<Logging> {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
    };
    // Log lines show no spans; spans are for traces.
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = lines.with_filter(filter_fn(|meta| !meta.is_span())).with_filter(level);
    let traces = Traces::of_environment()?;
    let sent = traces.as_ref().map(|traces| {
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer());
        // Spans have no source location, no thread and no library.
        let layer = layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
        layer.with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
    });
    // The first call wins; a second one comes from a test.
    let _ = registry().with(lines).with(sent).try_init();
    Ok(Logging(traces))
}
