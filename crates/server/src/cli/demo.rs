//! `countersign demo`.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use clap::Args;
use countersign_core::password::Password;
use countersign_core::{Actor, RoleSet};
use countersign_demo::{Account, Setup};
use countersign_flows::register::{NewAccount, add_user};
use countersign_flows::{Cx, Origin, start};
use countersign_token::crypto;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::output::Output;
use super::serve::{not_bound, stopped};
use super::{Failure, Global};
use crate::boot::{self, BootError};
use crate::config::{Config, Inputs, LogFormat, LogLevel};
use crate::otlp::Tracer;
use crate::{http, serve, telemetry};

/// Where the issuer stands on the page's own address.
const ISSUER: &str = "/issuer";

const NAME: &str = "ada";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign demo
  countersign demo --listen 127.0.0.1:5001

Open the address that it prints in a browser. An issuer and two services run in this one process, \
each service behind a guard that follows the issuer over HTTP. Log out in one and see the other \
refuse; cut a link and see the lease run out. The data are in a temporary directory, which Ctrl-C \
removes; countersign.toml, .env and the environment are not read. With --json the start lines are \
one object: `{\"url\", \"issuer\", \"username\", \"password\", \"data\"}`.")]
pub(super) struct Demo {
    /// Loopback address and port of the page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
}

impl Demo {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        if !self.listen.ip().is_loopback() {
            return Err(Failure::usage(format!(
                "the demo shows its password to whoever asks, so it listens on this machine only: \
                 try --listen 127.0.0.1:{}",
                self.listen.port()
            )));
        }
        if global.data.is_some() || global.config.is_some() {
            return Err(Failure::usage(
                "the demo keeps its data in a temporary directory and reads no configuration: \
                 --data and --config are for `countersign serve`",
            ));
        }
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
        telemetry::start(
            LogFormat::Auto,
            LogLevel::Warn,
            !global.no_color && !no_color,
        );
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| internal("starting threads", &error))?
            .block_on(demo(self.listen, global))
    }
}

fn internal(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::refused("internal", format!("{what}: {error}"))
}

async fn demo(listen: SocketAddr, global: &Global) -> Result<(), Failure> {
    let bind = async |address| {
        let listener = TcpListener::bind(address).await?;
        listener.local_addr().map(|address| (listener, address))
    };
    let not_bound = |error| not_bound(listen, &error);
    let (page, page_at) = bind(listen).await.map_err(not_bound)?;
    // The services find the issuer at an address of its own, as they would anywhere.
    let (feed, feed_at) = bind(SocketAddr::new(listen.ip(), 0))
        .await
        .map_err(not_bound)?;
    let stop = interrupted().map_err(|error| internal("waiting for signals", &error))?;
    let home = Temporary::make()?;
    let config = configuration(&home.0, page_at, feed_at)?;
    let opened = boot::open(&config, 1).await?;
    let started = start::serve(opened.parts).await.map_err(BootError::from)?;
    let cx = Arc::new(started.cx);
    let account = make_account(&cx).await?;
    let lines = StartLines::new(&config, page_at, &account);

    let routes = http::routers(&config, Arc::clone(&cx), Tracer::default());
    let routes = Router::new().fallback_service(routes.main.service());
    let follow = tokio::spawn(serve::follow_log(Arc::clone(&cx)));
    let (end, ended) = oneshot::channel::<()>();
    let places = serve::places(&config);
    let issuer = serve::run(&config, places.clone(), feed, None, routes.clone(), async {
        let _ = ended.await;
        cx.feed.close();
    });
    let clock = cx.clock.clone();
    let services = async {
        let router = countersign_demo::router(Setup {
            issuer: feed_at,
            path: ISSUER,
            routes,
            page: page_at,
            account,
            clock: Arc::new(move || clock.monotonic()),
        });
        let router = router
            .await
            .map_err(|error| internal("the services", &error))?;
        if !global.quiet {
            // A closed standard output does not stop a demo.
            let _ = Output::new(global).answer(&lines, || lines.text());
        }
        serve::run(&config, places, page, None, router, stop).await;
        Ok(())
    };
    let services = async {
        let done = services.await;
        let _ = end.send(());
        done
    };
    let ((), done) = tokio::join!(issuer, services);
    follow.abort();
    cx.db.close().await;
    done
}

/// Ready when the process is asked to stop, or the terminal goes away.
fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let (mut hangup, stopped) = (signal(SignalKind::hangup())?, stopped()?);
    Ok(async move {
        tokio::select! {
            () = stopped => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Nothing comes from the machine: neither environment nor files change what is shown.
fn configuration(data: &Path, page: SocketAddr, feed: SocketAddr) -> Result<Config, Failure> {
    let flag = |key: &str, value: String| (key.to_owned(), value);
    Ok(Config::load(&Inputs {
        flags: vec![
            flag("server.data", data.display().to_string()),
            flag("server.listen", feed.to_string()),
            flag("server.public_url", format!("http://{page}{ISSUER}")),
        ],
        directory: data.to_owned(),
        ..Inputs::default()
    })?)
}

/// An account with a password that nobody can know beforehand.
async fn make_account(cx: &Cx) -> Result<Account, Failure> {
    let password = crypto::b64(&cx.random.bytes::<12>());
    let account = NewAccount {
        username: Some(NAME.to_owned()),
        email: None,
        password: Password::from(password.clone()),
        roles: RoleSet::default(),
    };
    add_user(cx, &Origin::operator(), account, Actor::Operator).await?;
    Ok(Account {
        name: NAME.to_owned(),
        password,
    })
}

/// A new directory for its owner alone, removed with everything in it when dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn make() -> Result<Self, Failure> {
        let mut random = [0; 9];
        crypto::fill_random(&mut random);
        let name = format!("countersign-demo-{}", crypto::b64(&random));
        let path = std::env::temp_dir().join(name);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| BootError::File {
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever tidies the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The start lines: where to look, and what else can be tried.
#[derive(Serialize)]
struct StartLines {
    url: String,
    issuer: String,
    username: String,
    password: String,
    data: String,
}

impl StartLines {
    fn new(config: &Config, page: SocketAddr, account: &Account) -> Self {
        Self {
            url: format!("http://{page}/"),
            issuer: config.server.public_url.to_string(),
            username: account.name.clone(),
            password: account.password.clone(),
            data: config.server.data.display().to_string(),
        }
    }

    fn text(&self) -> String {
        let Self {
            url,
            issuer,
            username,
            password,
            data,
        } = self;
        format!(
            "Running on {url}\n\
             Open it in a browser: sign in, log out in one service, and see the other refuse.\n\
             The issuer is at {issuer}, the account {username} with the password {password}\n\
             From another terminal:  countersign session revoke --user {username} --data {data}\n\
             Ctrl-C ends it and removes {data}"
        )
    }
}
