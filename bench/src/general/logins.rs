//! Logins: with the password hash that is the default, and with next to none.

use countersign_testkit::TempDir;
use serde_json::json;

use super::peers::Peers;
use crate::load::{Job, Load};
use crate::report::{Group, Report};
use crate::site::{PASSWORD, Site};

/// Logins under way at the same time.
const MANY: usize = 8;

/// With a cheap hash the disk is what is waited for, and a flush serves all who wait.
const CHEAP: usize = 32;

/// Each by an account of its own: of more than ten attempts under way for one name, some would be
/// refused, since they are counted as failures until they are none.
fn job(address: &str, accounts: usize, connections: usize) -> Job {
    let body =
        |n: usize| json!({"username": format!("holder{}", n % accounts), "password": PASSWORD});
    Job {
        address: address.to_owned(),
        path: "/login",
        bodies: (0..connections).map(body).collect(),
        next: None,
    }
}

async fn round(load: &mut Load, seconds: f64) -> [f64; 3] {
    let found = load.run(seconds).await;
    [found.rate, found.p50, found.p99]
}

pub(crate) async fn measure(report: &mut Report, peers: &Peers, quick: bool) {
    let site = Site::of(Site::home_as_it_comes().start()).await;
    site.users("holder", MANY).await;
    let own = site.server.addr().to_string();
    let peers = peers.start(false).await;
    let mut asked = vec![("Countersign".to_owned(), own, MANY)];
    for peer in &peers {
        asked.push((peer.name.to_owned(), peer.address.clone(), 1));
    }
    let mut many = Group::new("POST /login, 8 at a time");
    let mut single = Group::new("POST /login, one at a time");
    let (rounds, seconds) = if quick { (1, 1.0) } else { (3, 3.0) };
    for (group, connections) in [(&mut many, MANY), (&mut single, 1)] {
        let mut loads = vec![];
        for (_, address, accounts) in &asked {
            let mut load = Load::free(&job(address, *accounts, connections)).await;
            load.warm().await;
            loads.push(load);
        }
        let mut found = vec![vec![]; asked.len()];
        for turn in 0..rounds * asked.len() {
            let one = turn % asked.len();
            found[one].push(round(&mut loads[one], seconds).await);
        }
        for ((name, ..), rounds) in asked.iter().zip(&found) {
            group.add(if asked.len() > 1 { name } else { "" }, rounds);
        }
    }
    report.groups.extend([many, single]);
    cheap(report, quick).await;
    report.note(
        "POST /login: Argon2id with 19 MiB, 2 rounds, 1 lane, which is the default; servers on all \
         cores. A login is durable before it is answered: session, grant and event are on the disk.",
    );
}

async fn cheap(report: &mut Report, quick: bool) {
    let directory = TempDir::new();
    let home = Site::with_cheap_hash(Site::pinned(&directory));
    let site = Site::of(home.env("COUNTERSIGN_LOG__LEVEL", "warn").start()).await;
    site.users("holder", CHEAP).await;
    let job = job(&site.server.addr().to_string(), CHEAP, CHEAP);
    let mut load = Load::pinned(&job).await;
    load.warm().await;
    let mut found = vec![];
    for _ in 0..if quick { 2 } else { 6 } {
        found.push(round(&mut load, 1.0).await);
    }
    let mut group = Group::new("POST /login, hardly any hash, 32 at a time");
    group.add("", &found);
    report.groups.push(group);
    report.note(
        "Hardly any hash: Argon2id with 8 KiB and 1 round, which nobody should use, to see what a \
         login costs beside it; the server on core 0, what sends on core 1.",
    );
}
