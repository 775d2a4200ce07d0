//! What posts, again and again over connections that stay open, in a process of its own: logins,
//! registrations, and refreshes, each of which needs what the one before it answered.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::child::{Child, Parent};
use crate::clock::nanos;
use crate::http::Connection;
use crate::stats::Samples;

/// What is sent.
pub(crate) struct Job {
    /// `127.0.0.1:5000`
    pub(crate) address: String,
    pub(crate) path: &'static str,
    /// One for each connection; `{n}` in it is a number that grows with every request.
    pub(crate) bodies: Vec<Value>,
    /// The member of an answer that is the next request's only member.
    pub(crate) next: Option<&'static str>,
}

/// What came of it.
pub(crate) struct Found {
    /// Answers a second.
    pub(crate) rate: f64,
    /// From a request to its answer, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) answers: f64,
}

/// The process that sends. It goes on where it stopped: a refresh token is used once.
pub(crate) struct Load(Child);

impl Load {
    /// On the second core, where what is measured has the first one to itself.
    pub(crate) async fn pinned(job: &Job) -> Self {
        Self::start(&["taskset", "--cpu-list", "1"], job).await
    }

    /// On any core.
    pub(crate) async fn free(job: &Job) -> Self {
        Self::start(&[], job).await
    }

    async fn start(by: &[&str], job: &Job) -> Self {
        let mut child = Child::start_by(by, &["child-load"]);
        let told = json!({
            "address": job.address, "path": job.path, "bodies": job.bodies, "next": job.next,
        });
        child.say(&told).await;
        Self(child)
    }

    /// Half a second that is not counted, in which nothing need be answered.
    pub(crate) async fn warm(&mut self) {
        self.0.say(&json!({"seconds": 0.5})).await;
        self.0.hear().await;
    }

    pub(crate) async fn run(&mut self, seconds: f64) -> Found {
        self.0.say(&json!({"seconds": seconds})).await;
        let heard = self.0.hear().await;
        assert!(heard["answers"] != 0, "no answer within {seconds} s");
        let number = |name: &str| heard[name].as_f64().expect("a number");
        Found {
            rate: number("rate"),
            p50: number("p50"),
            p99: number("p99"),
            answers: number("answers"),
        }
    }
}

struct Sender {
    connection: Connection,
    path: String,
    body: String,
    next: Option<String>,
}

impl Sender {
    /// Sends until `end`; what is answered later is not counted, but its answer is kept.
    async fn run(mut self, end: i64, number: Rc<Cell<u64>>) -> (Self, Samples) {
        let mut took = Samples::default();
        loop {
            number.set(number.get() + 1);
            let body = self.body.replace("{n}", &number.get().to_string());
            let began = nanos();
            let answer = self.connection.post(&self.path, &body).await;
            let answered = nanos();
            if let Some(next) = &self.next {
                self.body = json!({ next: answer[next] }).to_string();
            }
            if answered > end {
                return (self, took);
            }
            took.push((answered - began) as f64 / 1e6);
        }
    }
}

/// A job, then `{"seconds": …}` as often as wanted, each answered.
pub(crate) async fn run() {
    let job = Parent.hear().await.expect("a job");
    let text = |name: &str| job[name].as_str().map(str::to_owned);
    let (address, path) = (text("address").expect("one"), text("path").expect("one"));
    let bodies = job["bodies"].as_array().expect("a list");
    let mut senders: Vec<Sender> = bodies
        .iter()
        .map(|body| Sender {
            connection: Connection::new(&address),
            path: path.clone(),
            body: body.to_string(),
            next: text("next"),
        })
        .collect();
    let number = Rc::new(Cell::new(0));
    while let Some(told) = Parent.hear().await {
        let seconds = told["seconds"].as_f64().expect("a number");
        let end = nanos() + (seconds * 1e9) as i64;
        let local = LocalSet::new();
        let under_way: Vec<_> = senders
            .drain(..)
            .map(|sender| local.spawn_local(sender.run(end, Rc::clone(&number))))
            .collect();
        local.await;
        let mut took = Samples::default();
        for sender in under_way {
            let (sender, its) = sender.await.expect("it sent");
            senders.push(sender);
            took.extend(its);
        }
        let answers = took.len();
        Parent.say(&match answers {
            0 => json!({"answers": 0}),
            _ => json!({
                "rate": answers as f64 / seconds, "p50": took.median(), "p99": took.p99(),
                "answers": answers,
            }),
        });
    }
}
