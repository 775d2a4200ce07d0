//! Forward-auth as an operator sets it up: through nginx and through Caddy, alike.

mod away;
mod browser;
mod passing;
mod proxy;
