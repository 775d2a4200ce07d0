//! How the world asks: HTTP, pages, command line, configuration, wiring.

pub mod boot;
pub mod cli;
pub mod config;
pub mod http;
pub mod places;
pub mod serve;
pub mod telemetry;
pub mod tls;
