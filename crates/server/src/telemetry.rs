//! Structured logs, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogLevel};

/// Starts logging. Only our own lines are as chatty as asked for: libraries keep to warnings, and
/// sqlx to errors, since its warnings would print statements.
pub fn start(format: LogFormat, level: LogLevel, color: bool) {
    let level = level.as_str();
    let filter = format!(
        "warn,sqlx=error,countersign={level},countersign_server={level},\
         countersign_flows={level},countersign_store={level}"
    );
    let pretty = match format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(color && io::stderr().is_terminal());
    // A second start (in a test) keeps the first.
    let _ = if pretty {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
