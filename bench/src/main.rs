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
mod general;
mod http;
mod idle;
mod latency;
mod load;
mod memory;
mod million;
mod report;
mod routes;
mod site;
mod stats;
mod table;
mod verify;
mod wrk;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use report::Report;
use table::Style;
use tokio::runtime;

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
    /// Where to draw a picture, if anywhere.
    svg: Option<PathBuf>,
    /// Where the peers are installed, if they are to be measured too.
    peers: Option<PathBuf>,
    markdown: bool,
    /// A tenth of the samples: to see that everything works, not to believe.
    quick: bool,
    may_miss: bool,
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let part = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let mut runtime = match part.as_str() {
        // On one core of its own: a second thread would only be in its way.
        "child-load" => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(run(&part, rest))
}

async fn run(part: &str, rest: Vec<String>) -> ExitCode {
    match part {
        "general" => {
            let options = options(rest, &general::parts());
            let report = general::measure(&options).await;
            return finish(&report, &options);
        }
        "revocation" => {
            let options = options(rest, &REVOCATION);
            let report = revocation(&options).await;
            return finish(&report, &options);
        }
        "child-followers" => followers::run(&rest).await,
        "child-hello" => general::serve_hello(&rest).await,
        "child-idle" => idle::run(&rest).await,
        "child-load" => load::run().await,
        "child-million" => million::run(&rest).await,
        "child-routes" => routes::run(&rest).await,
        _ => {
            eprintln!("use script/bench --help");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn options(args: Vec<String>, parts: &[&str]) -> Options {
    let mut options = Options {
        only: vec![],
        json: PathBuf::from("bench.json"),
        svg: None,
        peers: None,
        markdown: false,
        quick: false,
        may_miss: false,
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} what?"));
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--may-miss" => options.may_miss = true,
            "--markdown" => options.markdown = true,
            "--json" => options.json = value().into(),
            "--svg" => options.svg = Some(value().into()),
            "--peers" => options.peers = Some(value().into()),
            "--only" => options.only = value().split(',').map(str::to_owned).collect(),
            other => panic!("{other}: no such option"),
        }
    }
    for name in &options.only {
        assert!(parts.contains(&name.as_str()), "{name}: none of {parts:?}");
    }
    options
}

async fn revocation(options: &Options) -> Report {
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
    report
}

fn finish(report: &Report, options: &Options) -> ExitCode {
    report.write(&options.json);
    let style = match options.markdown {
        true => Style::Markdown,
        false => Style::Plain,
    };
    println!("\n{}", table::whole(report, style));
    if report.all_met() || options.may_miss {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
