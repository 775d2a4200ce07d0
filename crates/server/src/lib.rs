//! How the world asks: HTTP, pages, command line, configuration, wiring.

pub mod config;
