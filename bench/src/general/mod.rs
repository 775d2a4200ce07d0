//! What the program does in its daily work: requests, logins, writes, starting, resting.

mod chart;
mod hello;
mod logins;
mod peers;
mod protected;
mod resting;
mod start;
mod writes;

pub(crate) use hello::run as serve_hello;

use std::fs;

use crate::Options;
use crate::report::Report;
use peers::Peers;

/// What is measured, in the order of the tables, and about how long it takes, in seconds.
const PARTS: [(&str, u32); 6] = [
    ("requests", 70),
    ("logins", 40),
    ("refresh", 12),
    ("register", 12),
    ("start", 8),
    ("rest", 30),
];

/// The names of all parts.
pub(crate) fn parts() -> Vec<&'static str> {
    PARTS.iter().map(|part| part.0).collect()
}

pub(crate) async fn measure(options: &Options) -> Report {
    let mut report = Report::new("general");
    let quick = options.quick;
    let peers = Peers::new(options.peers.clone());
    let wanted =
        |part: &str| options.only.is_empty() || options.only.iter().any(|only| only == part);
    for (part, seconds) in PARTS {
        if !wanted(part) {
            continue;
        }
        let seconds = if quick { seconds / 5 } else { seconds };
        eprintln!("== {part} (about {seconds} s)");
        match part {
            "requests" => protected::measure(&mut report, &peers, quick).await,
            "logins" => logins::measure(&mut report, &peers, quick).await,
            "refresh" => writes::refresh(&mut report, quick).await,
            "register" => writes::register(&mut report, quick).await,
            "start" => start::measure(&mut report, quick).await,
            _ => resting::measure(&mut report, quick).await,
        }
    }
    if let Some(path) = &options.svg {
        fs::write(path, chart::draw(&report))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        eprintln!("   drawn into {}", path.display());
    }
    report
}
