//! From a logout to its refusal by every follower, while floors are written all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::child::Child;
use crate::clock::nanos;
use crate::memory::processor;
use crate::report::{Bar, Judged, Report};
use crate::site::{Caller, Login, Site};
use crate::stats::Samples;

const FLOORS_A_SECOND: usize = 500;

/// Connections that write floors.
const WRITERS: usize = 10;

/// With so many followers, so many measured logouts, and what the bar is, in milliseconds.
const CASES: [(usize, usize, f64); 3] = [(1, 300, 10.0), (100, 100, 25.0), (1_000, 60, 250.0)];

pub(crate) async fn measure(report: &mut Report, followers: usize, quick: bool) {
    let (_, logouts, bar) = CASES
        .into_iter()
        .find(|case| case.0 == followers)
        .expect("a case");
    let logouts = if quick { logouts / 10 } else { logouts };
    eprintln!("== a logout and {followers} followers, {logouts} times");
    case(report, followers, logouts, bar).await;
}

/// How the figures were got.
pub(crate) fn explain(report: &mut Report) {
    report.note(
        "Commit to refusal: from the answer to the logout to the moment each guard has told whoever \
         watches that login, and the round trip of `GET /healthz` on the same connection straight \
         after it added, since the commit lies before the answer by less than that. Every guard for \
         every logout. Server, followers and writer are three processes on one machine, over \
         loopback.",
    );
}

async fn case(report: &mut Report, followers: usize, logouts: usize, bar: f64) {
    let site = Site::start().await;
    site.users("leaver", 1).await;
    let mut logins = Vec::new();
    for _ in 0..logouts {
        logins.push(site.login("leaver0").await);
    }
    let count = followers.to_string();
    let mut guards = Child::start(&["child-followers", &site.url(), &count, &site.secret]);
    assert_eq!(guards.hear().await["ready"], followers);

    let written = Arc::new(AtomicUsize::new(0));
    let _writers = write_floors(&site, &written);
    sleep(Duration::from_secs(2)).await;
    let began = (nanos(), written.load(Ordering::Relaxed));
    let used = [site.server.pid(), guards.pid()].map(processor);
    let (mut from_sent, mut from_commit, mut lost) = (Samples::default(), Samples::default(), 0);
    let caller = site.caller();
    for (n, login) in logins.iter().enumerate() {
        let (sent, committed, refused) = log_out(&caller, login, &mut guards).await;
        lost += refused.iter().filter(|&&at| at == 0).count();
        let refused = || refused.iter().filter(|&&at| at > 0);
        from_sent.extend(refused().map(|at| millis(at - sent)));
        from_commit.extend(refused().map(|at| millis(at - committed)));
        if (n + 1) % (logouts / 3).max(1) == 0 {
            eprintln!("   {} of {logouts}", n + 1);
        }
    }
    let seconds = (nanos() - began.0) as f64 / 1e9;
    let rate = (written.load(Ordering::Relaxed) - began.1) as f64 / seconds;
    let [server, process] = [site.server.pid(), guards.pid()].map(processor);
    let share = |now: f64, before: f64| (now - before) / seconds * 100.0;
    if lost > 0 {
        report.failure(format!("{lost} times a guard did not refuse within 10 s"));
    }
    if rate < FLOORS_A_SECOND as f64 * 0.95 {
        report.failure(format!("only {rate:.0} floors were written a second"));
    }
    report.note(format!(
        "{followers} followers: {rate:.0} floors/s; from sending the logout, the flush to disk \
         included: median {:.2}, p99 {:.2} ms; processor: server {:.0} %, followers {:.0} % of one \
         core",
        from_sent.median(),
        from_sent.p99(),
        share(server, used[0]),
        share(process, used[1]),
    ));
    let name = format!("commit to refusal, {followers} followers");
    report.bar(name, Bar::AtMost(bar), "ms", from_commit, Judged::P99);
}

/// When it was sent, when it was committed at the earliest, and when each guard refused.
async fn log_out(caller: &Caller, login: &Login, guards: &mut Child) -> (i64, i64, Vec<i64>) {
    guards.say(&json!({"watch": login.access})).await;
    assert_eq!(guards.hear().await["armed"], true);
    // What watching cost is over, and any moment between two rounds of the feed is as likely as any.
    sleep(Duration::from_micros(
        50_000 + nanos().unsigned_abs() / 1_000 % 100_000,
    ))
    .await;
    let sent = nanos();
    caller
        .call("POST", "/logout", &login.access, &Value::Null)
        .await;
    let answered = nanos();
    caller.call("GET", "/healthz", "", &Value::Null).await;
    let committed = answered - (nanos() - answered);
    let heard = guards.hear().await;
    let refused = heard["refused"].as_array().expect("a list");
    let refused = refused
        .iter()
        .map(|at| at.as_i64().expect("a number"))
        .collect();
    (sent, committed, refused)
}

/// Withdraws tokens at a steady pace, whatever the answers take, until dropped; each leaves one floor
/// and costs about what a logout does.
fn write_floors(site: &Site, written: &Arc<AtomicUsize>) -> JoinSet<()> {
    let mut writers = JoinSet::new();
    let pause = Duration::from_secs(1) * WRITERS as u32 / FLOORS_A_SECOND as u32;
    for writer in 0..WRITERS {
        let (caller, admin, written) = (site.caller(), site.admin.clone(), Arc::clone(written));
        writers.spawn(async move {
            let mut tick = interval(pause);
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            // Not all at the same moment.
            sleep(pause * writer as u32 / WRITERS as u32).await;
            for n in 0_usize.. {
                tick.tick().await;
                let body = json!({"jti": format!("{writer}-{n}")});
                caller
                    .call("POST", "/admin/tokens/revoke", &admin, &body)
                    .await;
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    writers
}

fn millis(nanos: i64) -> f64 {
    nanos as f64 / 1e6
}
