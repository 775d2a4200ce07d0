//! How the world asks: HTTP, pages, command line, configuration, wiring.

pub mod boot;
pub mod cli;
pub mod config;
pub mod http;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "otlp_absent.rs"]
pub mod otlp;
pub mod patience;
pub mod places;
pub mod serve;
pub mod telemetry;
pub mod tls;
pub mod wire;
