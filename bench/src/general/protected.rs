//! A protected request: with an access token, with a session cookie, and beside bare axum.

use countersign_testkit::TempDir;

use super::hello::Hello;
use super::peers::Peers;
use crate::memory::processor;
use crate::report::{Bar, Group, Judged, Report};
use crate::site::Site;
use crate::stats::Samples;
use crate::wrk::{self, CONNECTIONS};

const NAME: &str = "holder0";

/// Who is asked, where, and with which header.
struct Asked {
    name: String,
    url: String,
    header: String,
    rounds: Vec<[f64; 3]>,
}

impl Asked {
    fn new(name: impl Into<String>, url: String, header: String) -> Self {
        let (name, rounds) = (name.into(), vec![]);
        Self {
            name,
            url,
            header,
            rounds,
        }
    }

    async fn ask(&self) -> [f64; 3] {
        let found = wrk::run(&self.url, &self.header, 1).await;
        [found.rate, found.p50, found.p99]
    }
}

pub(crate) async fn measure(report: &mut Report, peers: &Peers, quick: bool) {
    let directory = TempDir::new();
    let home = || Site::with_cheap_hash(Site::pinned(&directory));
    let quiet = Site::of(home().env("COUNTERSIGN_LOG__LEVEL", "warn").start()).await;
    let logging = Site::of(home().start()).await;
    let hello = Hello::start(NAME).await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let (token, logged) = (
        quiet.tokens(1).await.remove(0),
        logging.tokens(1).await.remove(0),
    );
    let cookie = quiet.cookie(NAME).await;
    let at = |site: &Site| format!("{}/protected", site.url());
    let mut asked = vec![
        Asked::new("bare axum, open", hello.url.clone(), bearer(&token)),
        Asked::new("Countersign", at(&quiet), bearer(&token)),
        Asked::new(
            "Countersign, a log line for each",
            at(&logging),
            bearer(&logged),
        ),
        Asked::new("Countersign, session cookie", at(&quiet), cookie),
    ];
    let peers = peers.start(true).await;
    for peer in &peers {
        let url = format!("http://{}/protected", peer.address);
        asked.push(Asked::new(peer.name, url, bearer(&peer.token().await)));
    }
    for one in &asked {
        one.ask().await; // warm
    }
    let (mut busy, count) = (Samples::default(), asked.len());
    let rounds = if quick { 2 } else { 12 };
    for round in 0..rounds {
        for turn in 0..count {
            // Nobody always comes after the same other.
            let one = (round + turn) % count;
            let before = processor(quiet.server.pid());
            let found = asked[one].ask().await;
            asked[one].rounds.push(found);
            if one == 1 {
                busy.push((processor(quiet.server.pid()) - before) * 100.0);
            }
        }
        if (round + 1) % 4 == 0 {
            eprintln!("   round {} of {rounds}", round + 1);
        }
    }
    let mut group = Group::new("GET /protected");
    for one in &asked {
        group.add(one.name.clone(), &one.rounds);
    }
    report.note(format!(
        "GET /protected: every server on core 0 alone; wrk with one thread and {CONNECTIONS} \
         connections on core 1, a second for each in turn, {rounds} rounds, the ratio within each \
         round. Every request of one line carries the same credential, seen before; the bare axum \
         gets it too and does not look, its answer has as many bytes of JSON. The session cookie is \
         looked up in the database each time. Log lines are written to /dev/null. Countersign used \
         {:.0} % of its core (median): far below 100, wrk would be what is measured.",
        busy.median()
    ));
    let ratio = |one: usize| group.rates[one].beside.clone();
    let bar = Bar::AtLeast(0.8);
    report.bar(
        "protected request / bare axum",
        bar,
        "x",
        ratio(1),
        Judged::Median,
    );
    report.groups.push(group);
}
