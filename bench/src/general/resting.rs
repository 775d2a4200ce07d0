//! Resident memory of a server that nobody asks anything.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::load::{Job, Load};
use crate::memory::resident;
use crate::report::{Bar, Judged, Report};
use crate::site::{PASSWORD, Site};
use crate::stats::Samples;

/// How long it rests after logins before anybody looks.
const REST: Duration = Duration::from_secs(15);

pub(crate) async fn measure(report: &mut Report, quick: bool) {
    // Accounts are made beside a server that was there before: the one that is measured has never
    // hashed a password.
    let mut site = Site::of(Site::home_as_it_comes().start()).await;
    site.users("holder", 1).await;
    site.server.restart();
    let pid = site.server.pid();
    sleep(Duration::from_secs(1)).await;
    let started = looks(pid).await;
    let body = json!({"username": "holder0", "password": PASSWORD});
    let job = Job {
        address: site.server.addr().to_string(),
        path: "/login",
        bodies: vec![body; 8],
        next: None,
    };
    let mut load = Load::free(&job).await;
    let logins = load.run(if quick { 1.0 } else { 4.0 }).await.answers;
    drop(load);
    let busy = resident(pid);
    sleep(if quick { REST / 5 } else { REST }).await;
    let rested = looks(pid).await;
    report.note(format!(
        "Memory: resident, in MB of 10^6 bytes, once a second for three seconds. The server with its \
         defaults, a second after it was ready; then {logins:.0} logins, 8 at a time (right after \
         them {busy:.1} MB), and {} s of rest.",
        REST.as_secs()
    ));
    let bar = Bar::AtMost(30.0);
    report.bar("memory after start", bar, "MB", started, Judged::Max);
    report.bar(
        "memory after logins and a rest",
        bar,
        "MB",
        rested,
        Judged::Max,
    );
}

async fn looks(pid: u32) -> Samples {
    let mut looks = Samples::default();
    for _ in 0..3 {
        sleep(Duration::from_secs(1)).await;
        looks.push(resident(pid));
    }
    looks
}
