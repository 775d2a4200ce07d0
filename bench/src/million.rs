//! A log of a million floors: what it costs a guard in memory, in time to begin, and in each check.

use std::process;

use countersign_guard::Guard;
use countersign_testkit::TestDatabase;
use serde_json::json;

use crate::child::{Child, Parent};
use crate::clock::nanos;
use crate::memory::resident;
use crate::report::{Bar, Judged, Report};
use crate::site::Site;
use crate::stats::Samples;
use crate::verify::pass;

const FLOORS: usize = 1_000_000;

/// Tokens that are checked in turn.
const TOKENS: usize = 1_000;

pub(crate) async fn measure(report: &mut Report, quick: bool) {
    eprintln!("== a million floors");
    let database = TestDatabase::sqlite();
    let home = Site::home().database(&database);
    // The first start makes the tables; in the next the floors are there from the beginning.
    drop(home.start());
    database.fill_floors(FLOORS).await;
    let full = Site::of(home.start()).await;
    let empty = Site::start().await;
    let tokens = [&empty, &full].map(|site| site.tokens(TOKENS));
    let [of_empty, of_full] = tokens;
    let (of_empty, of_full) = (of_empty.await, of_full.await);

    let [mut memory, mut bootstrap, mut ratios] = [(); 3].map(|()| Samples::default());
    let [mut warm_empty, mut warm_full] = [(); 2].map(|()| Samples::default());
    for _ in 0..if quick { 1 } else { 5 } {
        let mut child = Child::start(&["child-million"]);
        let sites = [&empty, &full].map(|site| json!([site.url(), site.secret]));
        child
            .say(&json!({"sites": sites, "tokens": [of_empty, of_full]}))
            .await;
        let found = child.hear().await;
        assert!(found["floors"].as_u64() >= Some(FLOORS as u64), "{found}");
        memory.push(found["memory"].as_f64().expect("MB"));
        bootstrap.push(found["seconds"].as_f64().expect("seconds"));
        for round in found["rounds"].as_array().expect("rounds") {
            let [of_empty, of_full] = [0, 1].map(|n| round[n].as_f64().expect("ns"));
            warm_empty.push(of_empty);
            warm_full.push(of_full);
            ratios.push(of_full / of_empty);
        }
    }
    report.note(format!(
        "A million floors of different sessions in the server's SQLite database. A fresh process \
         follows a server with an empty log, notes its resident memory, then follows this one in \
         pages of 10,000: memory is what that added, bootstrap is `connect` from start to end. \
         Checks of {TOKENS} warm tokens of each in turn: median {:.0} ns with an empty list, {:.0} \
         ns with a million.",
        warm_empty.median(),
        warm_full.median(),
    ));
    report.bar(
        "a million floors: memory",
        Bar::AtMost(64.0),
        "MB",
        memory,
        Judged::Max,
    );
    report.bar(
        "a million floors: bootstrap",
        Bar::AtMost(5.0),
        "s",
        bootstrap,
        Judged::Max,
    );
    let bar = Bar::AtMost(1.5);
    report.bar(
        "a million floors: warm check / empty list",
        bar,
        "x",
        ratios,
        Judged::Median,
    );
}

/// Told two sites and tokens of each, says what following the second costs.
pub(crate) async fn run(_: &[String]) {
    const ROUNDS: usize = 100;
    let parent = Parent;
    let told = parent.hear().await.expect("what to do");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let tokens = [0, 1].map(|n| {
        let list = told["tokens"][n].as_array().expect("a list");
        list.iter().map(text).collect::<Vec<String>>()
    });
    let connect = async |n: usize| {
        let site = &told["sites"][n];
        let (url, secret) = (text(&site[0]), text(&site[1]));
        let builder = Guard::builder(&url).credentials(Site::SERVICE, &secret);
        let guard = builder.connect().await.expect("a guard");
        (url, guard)
    };
    let (_, empty) = connect(0).await;
    let (before, began) = (resident(process::id()), nanos());
    let (_, full) = connect(1).await;
    let seconds = (nanos() - began) as f64 / 1e9;
    let memory = resident(process::id()) - before;
    for (guard, tokens) in [(&empty, &tokens[0]), (&full, &tokens[1])] {
        for token in tokens {
            guard.check(token).await.expect("good");
        }
    }
    let rounds: Vec<[f64; 2]> = (0..ROUNDS)
        .map(|round| {
            // Whoever comes second has the caches of the first against it.
            if round % 2 == 0 {
                let of_empty = pass(&empty, &tokens[0]);
                [of_empty, pass(&full, &tokens[1])]
            } else {
                let of_full = pass(&full, &tokens[1]);
                [pass(&empty, &tokens[0]), of_full]
            }
        })
        .collect();
    let floors = full.status().floors;
    parent.say(&json!({
        "memory": memory, "seconds": seconds, "floors": floors, "rounds": rounds,
    }));
}
