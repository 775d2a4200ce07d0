//! `countersign serve`.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use countersign_flows::Cx;
use countersign_flows::start::{self, Started};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::output::{Output, when};
use super::{Failure, Global, configuration};
use crate::boot::{self, BootError, DataLock};
use crate::config::Config;
use crate::otlp::Tracer;
use crate::tls::Tls;
use crate::{http, serve, telemetry};

/// How long the last spans may take where requests took all of the grace.
const LAST_SPANS: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign serve
  countersign serve --listen 127.0.0.1:5001 --data /var/lib/countersign

Logs go to standard error. On SIGTERM and SIGINT the server finishes what is under way, for at most \
server.shutdown_grace, and exits with 0. With --json the start lines are one object: `{\"version\", \
\"data\", \"new_data\", \"engine\", \"alg\", \"kid\", \"new_key\", \"listen\", \"tls\", \"url\", \"has_admin\"}`, where \
`kid` is null with JWT_SECRET_KEY.")]
pub(super) struct Serve {
    /// Address and port to listen on [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

impl Serve {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let listen = self.listen.map(|listen| listen.to_string());
        let flags = listen.map(|listen| ("server.listen".to_owned(), listen));
        let config = configuration(global, flags.into_iter().collect())?;
        telemetry::start(config.log.format, config.log.level, global.color());
        let tracer = Tracer::start(&config)
            .map_err(|error| Failure::configuration("otlp", format!("otlp.endpoint: {error}")))?;
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::refused("internal", format!("starting threads: {error}")))?
            .block_on(serve(config, global, tracer))
    }
}

async fn serve(mut config: Config, global: &Global, tracer: Tracer) -> Result<(), Failure> {
    // The port first: most that can go wrong goes wrong here, before anything is made on disk.
    let listen = config.server.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| not_listening(&config, &error))?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::refused("internal", error.to_string()))?;
    config.listening_on(address);
    let measured = match config.metrics.listen {
        Some(listen) => Some(TcpListener::bind(listen).await.map_err(|error| {
            let text = format!("listening on {listen} (metrics.listen): {error}");
            Failure::refused("not_listening", text)
        })?),
        None => None,
    };
    let tls = Tls::open(&config.tls).map_err(|error| {
        let text = error.to_string();
        Failure::configuration("file_unusable", text)
    })?;
    let lock = DataLock::take(&config)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let opened = boot::open(&config, threads).await?;
    let new_data = opened.new_data;
    let started = start::serve(opened.parts).await.map_err(BootError::from)?;
    let stop = stopped()
        .map_err(|error| Failure::refused("internal", format!("waiting for signals: {error}")))?;
    if !global.quiet {
        let lines = StartLines::new(&config, &started, new_data);
        // A closed standard output does not stop a server.
        let _ = Output::new(global).answer(&lines, || lines.text());
    }
    warn_of_legacy(&started.cx);
    let cx = Arc::new(started.cx);
    let routers = http::routers(&config, Arc::clone(&cx), tracer.clone());
    let follow = tokio::spawn(serve::follow_log(Arc::clone(&cx)));
    let tidy = tokio::spawn(serve::keep_tidy(Arc::clone(&cx)));
    let stopped_at = Cell::new(None);
    let stop = async {
        stop.await;
        stopped_at.set(Some(cx.clock.monotonic()));
        cx.feed.close();
    };
    if let Some(tls) = &tls {
        tokio::spawn(Arc::clone(tls).follow());
    }
    let places = serve::places(&config);
    let routes = routers.main.service();
    let main = serve::run(&config, places, listener, tls, routes, stop);
    let measured = async {
        match measured {
            Some(listener) => {
                let router = routers.metrics;
                let places = serve::places_for_metrics();
                serve::run(&config, places, listener, None, router, pending()).await;
            }
            None => pending().await,
        }
    };
    tokio::select! {
        () = main => {}
        () = measured => {}
    }
    follow.abort();
    tidy.abort();
    cx.db.close().await;
    drop(lock);
    let now = cx.clock.monotonic();
    let took = now.saturating_sub(stopped_at.get().unwrap_or(now));
    let left = config.server.shutdown_grace.saturating_sub(took);
    // The exporter has a thread, and waiting for it blocks.
    let flushed = tokio::task::spawn_blocking(move || tracer.flush(left.max(LAST_SPANS)));
    let _ = flushed.await;
    Ok(())
}

/// Says until when the former program's tokens are accepted, or that it is over.
fn warn_of_legacy(cx: &Cx) {
    let Some(legacy) = &cx.settings.legacy else {
        return;
    };
    let until = when(legacy.until().as_secs());
    if legacy.until() <= cx.clock.now() {
        tracing::warn!(%until, "token.accept_hs256 is over, and accepts nothing: take it away");
    } else {
        tracing::warn!(%until, "tokens of the former program are accepted (token.accept_hs256)");
    }
}

/// Why the port cannot be had, and what to type. Most often this very server runs already.
fn not_listening(config: &Config, error: &io::Error) -> Failure {
    match DataLock::taken(config) {
        Some(in_use) if error.kind() == io::ErrorKind::AddrInUse => in_use.into(),
        _ => not_bound(config.server.listen, error),
    }
}

/// Why an address cannot be listened on, and what to type.
pub(super) fn not_bound(listen: SocketAddr, error: &io::Error) -> Failure {
    if error.kind() != io::ErrorKind::AddrInUse {
        return Failure::refused("not_listening", format!("listening on {listen}: {error}"));
    }
    let other = SocketAddr::new(listen.ip(), listen.port().checked_add(1).unwrap_or(5000));
    let text = format!("{listen} is taken by another program: try --listen {other}");
    Failure::refused("port_taken", text)
}

/// Ready when the process is asked to stop.
pub(super) fn stopped() -> io::Result<impl Future<Output = ()>> {
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
#[derive(Debug, Serialize)]
struct StartLines {
    version: &'static str,
    data: String,
    new_data: bool,
    engine: &'static str,
    alg: Option<&'static str>,
    kid: Option<String>,
    new_key: bool,
    listen: SocketAddr,
    tls: bool,
    url: String,
    has_admin: bool,
}

impl StartLines {
    fn new(config: &Config, started: &Started, new_data: bool) -> Self {
        let cx = &started.cx;
        let signing = cx.keys.signing(cx.clock.now()).ok();
        let alg = signing.as_ref().map(|key| key.algorithm().as_str());
        let own = signing.filter(|_| !cx.keys.is_shared());
        let kid = own.map(|key| key.kid().to_owned());
        let made = started.new_key.as_ref().map(|key| &key.kid);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            data: config.server.data.display().to_string(),
            new_data,
            engine: cx.db.engine_name(),
            alg,
            new_key: kid.is_some() && kid.as_ref() == made,
            kid,
            listen: config.server.listen,
            tls: config.tls.cert.is_some(),
            url: format!(
                "{}/",
                config.server.public_url.to_string().trim_end_matches('/')
            ),
            has_admin: started.has_admin,
        }
    }

    fn text(&self) -> String {
        let new = |is_new: bool| if is_new { " (new)" } else { "" };
        let key = match (self.alg, &self.kid) {
            (Some(alg), Some(kid)) => format!("{alg} key {kid}{}", new(self.new_key)),
            (Some(alg), None) => format!("{alg} with JWT_SECRET_KEY"),
            (None, _) => "no signing key".to_owned(),
        };
        let scheme = if self.tls { "https" } else { "http" };
        let here = format!("{scheme}://{}/", self.listen);
        let mut lines = vec![
            format!(
                "Countersign {}   data {}{}   {}   {key}",
                self.version,
                self.data,
                new(self.new_data),
                self.engine
            ),
            format!("Running on {here}"),
        ];
        if self.url != here {
            lines.push(format!("Reached at {}", self.url));
        }
        if self.alg.is_some() && self.kid.is_none() {
            lines.push("Whoever holds JWT_SECRET_KEY can sign as anybody.".to_owned());
        }
        if !self.has_admin {
            let add = "countersign user add --username NAME --role admin";
            lines.push(format!("No administrator yet:  {add}"));
        }
        lines.push(format!(
            "Try:  curl --json '{{\"username\":\"ada\",\"password\":\"plum-harbour-41\"}}' {}register",
            self.url
        ));
        lines.join("\n")
    }
}
