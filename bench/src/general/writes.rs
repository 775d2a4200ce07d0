//! What is written: refreshes, and registrations.

use countersign_testkit::TempDir;
use serde_json::json;

use crate::load::{Job, Load};
use crate::report::{Group, Report};
use crate::site::{PASSWORD, Site};

/// Refreshes under way at the same time, each of a login of its own.
const REFRESHES: usize = 64;

/// Registrations under way at the same time: they may take a quarter of the queue for hashes.
const REGISTRATIONS: usize = 32;

async fn site(directory: &TempDir) -> Site {
    let home = Site::with_cheap_hash(Site::pinned(directory));
    Site::of(home.env("COUNTERSIGN_LOG__LEVEL", "warn").start()).await
}

async fn rounds(load: &mut Load, count: usize, seconds: f64) -> Vec<[f64; 3]> {
    load.warm().await;
    let mut found = vec![];
    for _ in 0..count {
        let round = load.run(seconds).await;
        found.push([round.rate, round.p50, round.p99]);
    }
    found
}

pub(crate) async fn refresh(report: &mut Report, quick: bool) {
    let directory = TempDir::new();
    let site = site(&directory).await;
    site.users("holder", 1).await;
    let mut bodies = vec![];
    for _ in 0..REFRESHES {
        bodies.push(json!({"refresh_token": site.login("holder0").await.refresh}));
    }
    let job = Job {
        address: site.server.addr().to_string(),
        path: "/refresh",
        bodies,
        next: Some("refresh_token"),
    };
    let mut load = Load::pinned(&job).await;
    let found = rounds(&mut load, if quick { 2 } else { 8 }, 1.0).await;
    let mut group = Group::new("POST /refresh, 64 at a time");
    group.add("", &found);
    report.groups.push(group);
    report.note(
        "POST /refresh: 64 logins, each refreshed again and again with the token that the refresh \
         before it gave. Every rotation is on the disk before it is answered, and every answer has a \
         freshly signed ES256 token. The server on core 0, what sends on core 1.",
    );
}

pub(crate) async fn register(report: &mut Report, quick: bool) {
    let body = json!({"username": "user{n}", "password": PASSWORD});
    let job = |site: &Site, connections: usize| Job {
        address: site.server.addr().to_string(),
        path: "/register",
        bodies: vec![body.clone(); connections],
        next: None,
    };
    let usual = Site::of(Site::home_as_it_comes().start()).await;
    let mut load = Load::free(&job(&usual, 8)).await;
    let seconds = if quick { 1.0 } else { 2.0 };
    let found = rounds(&mut load, if quick { 1 } else { 2 }, seconds).await;
    let mut group = Group::new("POST /register, 8 at a time");
    group.add("", &found);
    report.groups.push(group);
    drop((load, usual));

    let directory = TempDir::new();
    let site = site(&directory).await;
    let mut load = Load::pinned(&job(&site, REGISTRATIONS)).await;
    let found = rounds(&mut load, if quick { 1 } else { 4 }, 1.0).await;
    let mut group = Group::new("POST /register, hardly any hash, 32 at a time");
    group.add("", &found);
    report.groups.push(group);
}
