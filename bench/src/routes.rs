//! An axum route behind the guard, beside the same route without it.

use std::process::Stdio;

use axum::Router;
use axum::routing::get;
use countersign_guard::Guard;
use countersign_guard::web::Authenticated;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::child::{Child, Parent};
use crate::memory::processor;
use crate::report::{Bar, Judged, Report};
use crate::site::Site;
use crate::stats::Samples;

/// Without a guard, behind its layer, with its extractor.
const ROUTES: [&str; 3] = ["/open", "/layer", "/extractor"];

const CONNECTIONS: &str = "64";

pub(crate) async fn measure(report: &mut Report, quick: bool) {
    eprintln!("== a route behind the guard, with wrk");
    let site = Site::start().await;
    let token = site.tokens(1).await.remove(0);
    let pinned = ["taskset", "--cpu-list", "0"];
    let mut service = Child::start_by(&pinned, &["child-routes", &site.url(), &site.secret]);
    let at = service.hear().await["port"].as_u64().expect("a port");
    for route in ROUTES {
        wrk(at, route, &token, 1).await;
    }
    let (mut layer, mut extractor) = (Samples::default(), Samples::default());
    let (mut open, mut busy) = (Samples::default(), Samples::default());
    for round in 0..if quick { 3 } else { 21 } {
        let mut rates = [0.0; 3];
        for turn in 0..3 {
            let route = (round + turn) % 3;
            let before = processor(service.pid());
            rates[route] = wrk(at, ROUTES[route], &token, 1).await;
            busy.push((processor(service.pid()) - before) * 100.0);
        }
        open.push(rates[0]);
        layer.push(rates[1] / rates[0]);
        extractor.push(rates[2] / rates[0]);
    }
    report.note(format!(
        "Routes: axum on one thread, pinned to core 0 with its guard; wrk with one thread and \
         {CONNECTIONS} connections on core 1, a second for each route in turn, the ratio within \
         each round; every request carries the same token, to the open route too, which answers \
         {:.0}/s. The service used {:.0} % of its core (median): far below 100, wrk would be what \
         is measured.",
        open.median(),
        busy.median(),
    ));
    let bar = Bar::AtLeast(0.85);
    report.bar("axum layer / open route", bar, "x", layer, Judged::Median);
    report.bar(
        "axum extractor / open route",
        bar,
        "x",
        extractor,
        Judged::Median,
    );
}

/// Requests a second.
async fn wrk(port: u64, route: &str, token: &str, seconds: u32) -> f64 {
    let output = Command::new("taskset")
        .args(["--cpu-list", "1", "wrk", "-t1", "-c", CONNECTIONS])
        .arg(format!("-d{seconds}s"))
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .arg(format!("http://127.0.0.1:{port}{route}"))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("taskset and wrk");
    let text = String::from_utf8_lossy(&output.stdout);
    let refused = text.contains("Non-2xx") || text.contains("Socket errors");
    assert!(output.status.success() && !refused, "{text}");
    let rate = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok())
        .unwrap_or_else(|| panic!("{text}"))
}

/// `URL SECRET`: serves the routes on a free port, from one thread.
pub(crate) async fn run(args: &[String]) {
    let [url, secret] = args.to_owned().try_into().expect("two arguments");
    let serve = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let builder = Guard::builder(&url).credentials(Site::SERVICE, &secret);
            let guard = builder.connect().await.expect("a guard");
            let guarded = Router::new()
                .route(ROUTES[1], get(async || "hello"))
                .layer(guard.layer());
            let app = Router::new()
                .route(ROUTES[0], get(async || "hello"))
                .route(ROUTES[2], get(async |_: Authenticated| "hello"))
                .merge(guarded)
                .with_state(guard);
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let port = listener.local_addr().expect("bound").port();
            Parent.say(&json!({"port": port}));
            axum::serve(listener, app).await.expect("it serves");
        });
    });
    tokio::task::spawn_blocking(|| serve.join())
        .await
        .expect("joined")
        .expect("it served");
}
