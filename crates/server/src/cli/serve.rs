//! `countersign serve`.

use std::io::{self, Write};
use std::sync::Arc;

use countersign_core::key::KeyRecord;
use countersign_flows::start::{self, Started};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Global, Serve, configuration, runtime};
use crate::boot::{self, DataLock};
use crate::config::{Algorithm, Config};
use crate::{http, serve, telemetry};

pub(super) fn run(global: &Global, serve: &Serve) -> Result<(), Failure> {
    let flags = serve
        .listen
        .map(|listen| ("server.listen".to_owned(), listen.to_string()));
    let config = configuration(global, flags.into_iter().collect())?;
    telemetry::start(config.log.format, config.log.level, !global.no_color);
    runtime()?.block_on(run_server(config, global))
}

async fn run_server(mut config: Config, global: &Global) -> Result<(), Failure> {
    // The port first: most that can go wrong goes wrong here, before anything is made on disk.
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|error| {
            let listen = config.server.listen;
            let other = listen.port().checked_add(1).unwrap_or(5000);
            let ip = listen.ip();
            Failure::Refused(match error.kind() {
                io::ErrorKind::AddrInUse => format!(
                    "{listen} is taken by another program: try --listen {}",
                    std::net::SocketAddr::new(ip, other)
                ),
                _ => format!("listening on {listen}: {error}"),
            })
        })?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::Refused(error.to_string()))?;
    config.listening_on(address);
    let lock = DataLock::take(&config)?;
    let opened = boot::open(&config).await?;
    let new_data = opened.new_data;
    let Started {
        cx,
        new_key,
        has_admin,
    } = start::serve(opened.parts)
        .await
        .map_err(boot::BootError::from)?;
    let cx = Arc::new(cx);
    if !global.quiet {
        announce(&config, &cx, new_data, new_key.as_ref(), has_admin);
    }
    let router = http::router(&config, Arc::clone(&cx));
    let follow = tokio::spawn(serve::follow_log(Arc::clone(&cx)));
    let tidy = tokio::spawn(serve::keep_tidy(Arc::clone(&cx)));
    let stop = stopped().map_err(|error| Failure::Refused(format!("signals: {error}")))?;
    serve::run(&config, listener, router, stop).await;
    follow.abort();
    tidy.abort();
    cx.db.close().await;
    drop(lock);
    Ok(())
}

/// Ready when the process is asked to stop.
fn stopped() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing requests in flight");
    })
}

/// The start lines: what runs, where, and what to type next.
fn announce(
    config: &Config,
    cx: &countersign_flows::Cx,
    new_data: bool,
    new_key: Option<&KeyRecord>,
    has_admin: bool,
) {
    let new = |is_new: bool| if is_new { " (new)" } else { "" };
    let version = env!("CARGO_PKG_VERSION");
    let engine = cx.db.engine_name();
    let data = config.server.data.display();
    let key = match cx.keys.signing(cx.clock.now()) {
        _ if cx.keys.is_shared() => "HS256 with JWT_SECRET_KEY".to_owned(),
        Ok(key) => {
            let made = new_key.is_some_and(|new| new.kid == key.kid());
            format!("{} key {}{}", key.algorithm(), key.kid(), new(made))
        }
        Err(_) => "no signing key".to_owned(),
    };
    let url = &config.server.public_url;
    let base = url.to_string();
    let base = base.trim_end_matches('/');
    let mut lines = vec![
        format!(
            "Countersign {version}   data {data}{}   {engine}   {key}",
            new(new_data)
        ),
        format!("Running on http://{}/", config.server.listen),
    ];
    if !base.ends_with(&config.server.listen.to_string()) {
        lines.push(format!("Reached at {base}/"));
    }
    if config.token.algorithm == Algorithm::Hs256 && cx.keys.is_shared() {
        lines.push("Whoever holds JWT_SECRET_KEY can sign as anybody.".to_owned());
    }
    if !has_admin {
        lines.push(
            "No administrator yet:  countersign user add --username NAME --role admin".to_owned(),
        );
    }
    lines.push(format!(
        "Try:  curl --json '{{\"username\":\"ada\",\"password\":\"plum-harbour-41\"}}' {base}/register"
    ));
    // A closed standard output does not stop a server.
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", lines.join("\n"));
    let _ = out.flush();
}
