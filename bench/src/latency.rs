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

/// Accounts that are signed out everywhere in turn.
const USERS: usize = 500;

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
        "Logout to refusal: from the moment the request is sent (its commit comes later, so the \
         figure is too high rather than too low) to the moment each guard has told whoever watches \
         that login, every guard for every logout. Server, followers and writer are three processes \
         on one machine, over loopback.",
    );
}

async fn case(report: &mut Report, followers: usize, logouts: usize, bar: f64) {
    let site = Site::start().await;
    let users = site.users("user", USERS).await;
    site.users("leaver", 1).await;
    let mut logins = Vec::new();
    for _ in 0..logouts {
        logins.push(site.login("leaver0").await);
    }
    let count = followers.to_string();
    let mut guards = Child::start(&["child-followers", &site.url(), &count, &site.secret]);
    assert_eq!(guards.hear().await["ready"], followers);

    let written = Arc::new(AtomicUsize::new(0));
    let _writers = write_floors(&site, users, &written);
    sleep(Duration::from_secs(2)).await;
    let began = (nanos(), written.load(Ordering::Relaxed));
    let used = [site.server.pid(), guards.pid()].map(processor);
    let (mut from_sent, mut from_answer, mut lost) = (Samples::default(), Samples::default(), 0);
    let caller = site.caller();
    for (n, login) in logins.iter().enumerate() {
        let (sent, answered, refused) = log_out(&caller, login, &mut guards).await;
        lost += refused.iter().filter(|&&at| at == 0).count();
        let refused = || refused.iter().filter(|&&at| at > 0);
        from_sent.extend(refused().map(|at| millis(at - sent)));
        from_answer.extend(refused().map(|at| millis(at - answered)));
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
        "{followers} followers: {rate:.0} floors/s; from the answer to the logout instead: median \
         {:.2}, p99 {:.2} ms; processor: server {:.0} %, followers {:.0} % of one core",
        from_answer.median(),
        from_answer.p99(),
        share(server, used[0]),
        share(process, used[1]),
    ));
    let name = format!("logout to refusal, {followers} followers");
    report.bar(name, Bar::AtMost(bar), "ms", from_sent, Judged::P99);
}

/// When it was sent, when it was answered, and when each guard refused.
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
    let heard = guards.hear().await;
    let refused = heard["refused"].as_array().expect("a list");
    let refused = refused
        .iter()
        .map(|at| at.as_i64().expect("a number"))
        .collect();
    (sent, answered, refused)
}

/// Signs users out everywhere at a steady pace, whatever the answers take, until dropped; each time
/// leaves one floor.
fn write_floors(site: &Site, users: Vec<String>, written: &Arc<AtomicUsize>) -> JoinSet<()> {
    let (mut writers, users) = (JoinSet::new(), Arc::new(users));
    let pause = Duration::from_secs(1) * WRITERS as u32 / FLOORS_A_SECOND as u32;
    for writer in 0..WRITERS {
        let (caller, admin) = (site.caller(), site.admin.clone());
        let (users, written) = (Arc::clone(&users), Arc::clone(written));
        writers.spawn(async move {
            let mut tick = interval(pause);
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            // Not all at the same moment.
            sleep(pause * writer as u32 / WRITERS as u32).await;
            for n in 0_usize.. {
                tick.tick().await;
                let turn = n * WRITERS + writer;
                let role = ["reader", "editor"][turn / users.len() % 2];
                let path = format!("/admin/users/{}", users[turn % users.len()]);
                caller
                    .call("PATCH", &path, &admin, &json!({"roles": [role]}))
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
