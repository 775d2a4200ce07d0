//! From nothing to ready, and the size of what is started.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use countersign_testkit::TempDir;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::clock::nanos;
use crate::report::{Bar, Judged, Report};
use crate::site::Site;
use crate::stats::Samples;

/// Accounts in the database that exists, and logins.
const USERS: usize = 100;

pub(crate) async fn measure(report: &mut Report, quick: bool) {
    let times = if quick { 3 } else { 21 };
    let site = Site::start().await;
    site.users("holder", USERS).await;
    for n in 0..USERS {
        site.login(&format!("holder{n}")).await;
    }
    let home = site.server.home().clone();
    assert_eq!(site.server.terminate().code, Some(0));
    let (mut empty, mut existing) = (Samples::default(), Samples::default());
    for _ in 0..times {
        empty.push(once(TempDir::new().path()).await);
        existing.push(once(home.path()).await);
    }
    report.note(format!(
        "Start: from starting the process to a 200 of GET /readyz, {times} times each in turn, the \
         program in the system's cache. The empty folder ends with a database, a secret and a \
         signing key; the database that exists has {USERS} accounts and logins."
    ));
    report.bar(
        "start on an empty folder",
        Bar::AtMost(1_000.0),
        "ms",
        empty,
        Judged::Max,
    );
    report.bar(
        "start on a database that exists",
        Bar::AtMost(100.0),
        "ms",
        existing,
        Judged::Median,
    );
    let bytes = fs::metadata(Site::program()).expect("the program").len();
    let size: Samples = [bytes as f64 / 1e6].into_iter().collect();
    report.bar("release binary", Bar::AtMost(25.0), "MB", size, Judged::Max);
}

/// Milliseconds until it is ready, below this working directory and its `data`.
async fn once(directory: &Path) -> f64 {
    let began = nanos();
    let mut process = Command::new(Site::program())
        .args(["serve", "--listen", "127.0.0.1:0", "--data", "data"])
        .current_dir(directory)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the program");
    let mut said = BufReader::new(process.stdout.take().expect("piped")).lines();
    let address = loop {
        let line = said.next_line().await.expect("readable");
        let line = line.expect("it ended before it was ready");
        if let Some(url) = line.strip_prefix("Running on http://") {
            break url.trim_end_matches('/').to_owned();
        }
    };
    while !is_ready(&address).await {
        sleep(Duration::from_millis(1)).await;
    }
    let took = (nanos() - began) as f64 / 1e6;
    let pid = process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    kill_process(pid.expect("it runs"), Signal::TERM).expect("our own process");
    let ended = timeout(Duration::from_secs(10), process.wait()).await;
    let status = ended.expect("it ends when told to").expect("our own");
    assert!(status.success(), "{status}");
    took
}

async fn is_ready(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.expect("read");
    answer.starts_with(b"HTTP/1.1 200 ")
}
