//! Measures the real program. `script/bench` builds it and runs this; see docs/reference/performance.md.
//!
//! One file for each measurement. What needs a process of its own is this program again, under the
//! name of a part that nobody types.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: it prints, and what goes wrong ends it loudly"
)]

mod child;
mod clock;
mod followers;
mod idle;
mod latency;
mod memory;
mod million;
mod report;
mod routes;
mod site;
mod stats;
mod verify;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use report::Report;

/// What is measured, in the order of the table.
const REVOCATION: [&str; 7] = [
    "logout-1",
    "logout-100",
    "logout-1000",
    "verify",
    "routes",
    "million",
    "idle",
];

/// What was asked for on the command line.
struct Options {
    only: Vec<String>,
    json: PathBuf,
    /// A tenth of the samples: to see that everything works, not to believe.
    quick: bool,
    may_miss: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let part = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    match part.as_str() {
        "revocation" => return revocation(options(rest)).await,
        "child-followers" => followers::run(&rest).await,
        "child-idle" => idle::run(&rest).await,
        "child-million" => million::run(&rest).await,
        "child-routes" => routes::run(&rest).await,
        _ => {
            eprintln!("use script/bench --help");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn options(args: Vec<String>) -> Options {
    let mut options = Options {
        only: vec![],
        json: PathBuf::from("revocation.json"),
        quick: false,
        may_miss: false,
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--may-miss" => options.may_miss = true,
            "--json" => options.json = args.next().expect("--json FILE").into(),
            "--only" => {
                let list = args.next().expect("--only PART,PART");
                options.only = list.split(',').map(str::to_owned).collect();
            }
            other => panic!("{other}: no such option"),
        }
    }
    for name in &options.only {
        assert!(
            REVOCATION.contains(&name.as_str()),
            "{name}: none of {REVOCATION:?}"
        );
    }
    options
}

async fn revocation(options: Options) -> ExitCode {
    let mut report = Report::new("revocation");
    for name in REVOCATION {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        match name {
            "logout-1" => {
                latency::explain(&mut report);
                latency::measure(&mut report, 1, options.quick).await;
            }
            "logout-100" => latency::measure(&mut report, 100, options.quick).await,
            "logout-1000" => latency::measure(&mut report, 1_000, options.quick).await,
            "verify" => verify::measure(&mut report, options.quick).await,
            "routes" => routes::measure(&mut report, options.quick).await,
            "million" => million::measure(&mut report, options.quick).await,
            _ => idle::measure(&mut report, options.quick).await,
        }
    }
    report.print();
    report.write(&options.json);
    if report.all_met() || options.may_miss {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
