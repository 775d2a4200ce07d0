//! An axum route behind the guard, beside the same route without it.

use axum::Router;
use axum::routing::get;
use countersign_guard::Guard;
use countersign_guard::web::Authenticated;
use serde_json::json;
use tokio::net::TcpListener;

use crate::child::{Child, Parent};
use crate::memory::processor;
use crate::report::{Bar, Judged, Report};
use crate::site::Site;
use crate::stats::Samples;
use crate::wrk::{self, CONNECTIONS};

/// Without a guard, behind its layer, with its extractor.
const ROUTES: [&str; 3] = ["/open", "/layer", "/extractor"];

pub(crate) async fn measure(report: &mut Report, quick: bool) {
    eprintln!("== a route behind the guard, with wrk");
    let site = Site::start().await;
    let token = site.tokens(1).await.remove(0);
    let pinned = ["taskset", "--cpu-list", "0"];
    let mut service = Child::start_by(&pinned, &["child-routes", &site.url(), &site.secret]);
    let at = service.hear().await["port"].as_u64().expect("a port");
    let bearer = format!("Authorization: Bearer {token}");
    let url = |route| format!("http://127.0.0.1:{at}{route}");
    for route in ROUTES {
        wrk::run(&url(route), &bearer, 1).await;
    }
    let (mut layer, mut extractor) = (Samples::default(), Samples::default());
    let (mut open, mut busy) = (Samples::default(), Samples::default());
    for round in 0..if quick { 3 } else { 21 } {
        let mut rates = [0.0; 3];
        for turn in 0..3 {
            let route = (round + turn) % 3;
            let before = processor(service.pid());
            rates[route] = wrk::run(&url(ROUTES[route]), &bearer, 1).await.rate;
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
