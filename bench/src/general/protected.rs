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
    /// Of the server, where it is one process.
    pid: Option<u32>,
    rounds: Vec<[f64; 3]>,
    /// Microseconds of processor time for each request.
    cost: Samples,
}

impl Asked {
    fn new(name: &str, url: String, header: String, pid: Option<u32>) -> Self {
        Self {
            name: name.to_owned(),
            url,
            header,
            pid,
            rounds: vec![],
            cost: Samples::default(),
        }
    }

    async fn ask(&mut self) {
        let used = || self.pid.map_or(0.0, processor);
        let before = used();
        let found = wrk::run(&self.url, &self.header, 1).await;
        let used = used() - before;
        self.rounds.push([found.rate, found.p50, found.p99]);
        self.cost.push(used * 1e6 / found.rate);
    }

    fn forget(&mut self) {
        self.rounds.clear();
        self.cost = Samples::default();
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
    let pid = |site: &Site| Some(site.server.pid());
    let mut asked = vec![
        Asked::new(
            "bare axum, open",
            hello.url.clone(),
            bearer(&token),
            Some(hello.pid()),
        ),
        Asked::new("Countersign", at(&quiet), bearer(&token), pid(&quiet)),
        Asked::new(
            "Countersign, a log line for each",
            at(&logging),
            bearer(&logged),
            pid(&logging),
        ),
        Asked::new(
            "Countersign, session cookie",
            at(&quiet),
            cookie,
            pid(&quiet),
        ),
    ];
    let peers = peers.start(true).await;
    for peer in &peers {
        let url = format!("http://{}/protected", peer.address);
        asked.push(Asked::new(
            peer.name,
            url,
            bearer(&peer.token().await),
            None,
        ));
    }
    let count = asked.len();
    for one in &mut asked {
        one.ask().await; // warm
        one.forget();
    }
    let rounds = if quick { 2 } else { 12 };
    for round in 0..rounds {
        for turn in 0..count {
            // Nobody always comes after the same other.
            asked[(round + turn) % count].ask().await;
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
         looked up in the database each time. Log lines are written to /dev/null."
    ));
    let costs = asked.iter().filter(|one| one.pid.is_some());
    let costs: Vec<String> = costs
        .map(|one| format!("{} {:.1}", one.name, one.cost.median()))
        .collect();
    let busy: Samples = asked[1]
        .rounds
        .iter()
        .zip(asked[1].cost.clone())
        .map(|(round, cost)| round[0] * cost / 1e4)
        .collect();
    report.note(format!(
        "Processor time for each of these requests, in microseconds (median): {}. It counts what the \
         kernel does for the server, too. Countersign used {:.0} % of its core (median): where that \
         is far below 100, rates are those of wrk or of whoever else is at work, and processor time \
         tells more.",
        costs.join(", "),
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
