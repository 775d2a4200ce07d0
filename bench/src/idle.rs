//! What followers cost the server that ask and wait, and nothing else.

use std::process;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::child::{Child, Parent};
use crate::http::whole;
use crate::memory::{descriptors, processor, resident};
use crate::report::{Bar, Judged, Report};
use crate::site::Site;
use crate::stats::Samples;

const FOLLOWERS: usize = 10_000;

/// What a process needs beside its connections.
const OTHER_FILES: usize = 100;

pub(crate) async fn measure(report: &mut Report, quick: bool) {
    let needed = FOLLOWERS + OTHER_FILES;
    eprintln!("== {FOLLOWERS} idle followers");
    if descriptors(process::id()) < needed {
        report.failure(format!(
            "{FOLLOWERS} idle followers need a descriptor limit of {needed}"
        ));
        return;
    }
    let site = Site::start().await;
    // Whoever asks first pays for what everybody shares.
    site.tokens(20).await;
    let pid = site.server.pid();
    let before = resident(pid);
    let address = site.server.addr().to_string();
    let mut followers = Child::start(&["child-idle", &address, &site.secret]);
    assert_eq!(followers.hear().await["waiting"], FOLLOWERS);
    let (mut memory, used) = (Samples::default(), processor(pid));
    // Every follower has its answer and asks again within 30 s, more than once in this time.
    let seconds = if quick { 5 } else { 70 };
    for second in 0..seconds {
        sleep(Duration::from_secs(1)).await;
        memory.push(resident(pid) - before);
        if second % 10 == 9 {
            eprintln!("   {} s: {:.1} MB", second + 1, memory.max());
        }
    }
    let used = (processor(pid) - used) / f64::from(seconds) * 100.0;
    followers.say(&json!("how many answers")).await;
    let answers = followers.hear().await["answers"]
        .as_u64()
        .expect("a number");
    report.note(format!(
        "Idle: {FOLLOWERS} named followers with a connection each ask with wait=30 for {seconds} s \
         and got {answers} answers; resident memory of the server once a second, less what it was \
         before ({before:.1} MB). Its processor time: {used:.1} % of a core.",
    ));
    let name = format!("{FOLLOWERS} idle followers: server memory");
    report.bar(name, Bar::AtMost(200.0), "MB", memory, Judged::Max);
}

/// `ADDRESS SECRET`: `{"waiting": …}` once all followers wait, and how many answers they had so far
/// when asked. No guards but bare connections: it is the server that is measured.
pub(crate) async fn run(args: &[String]) {
    let [address, secret] = args else {
        panic!("two arguments");
    };
    let credentials = basic(Site::SERVICE, secret);
    let (answered, mut answers) = mpsc::unbounded_channel();
    for n in 0..FOLLOWERS {
        let follower = Follower::connect(address, &credentials, n).await;
        tokio::spawn(follower.follow(answered.clone()));
        if n % 1_000 == 999 {
            eprintln!("   {} connected", n + 1);
        }
    }
    // The first answer comes at once, what follows is asked with patience.
    for _ in 0..FOLLOWERS {
        answers.recv().await.expect("they go on");
    }
    let parent = Parent;
    parent.say(&json!({"waiting": FOLLOWERS}));
    while parent.hear().await.is_some() {
        let mut count = 0;
        while answers.try_recv().is_ok() {
            count += 1;
        }
        parent.say(&json!({"answers": count}));
    }
}

struct Follower {
    stream: TcpStream,
    head: String,
    name: String,
}

impl Follower {
    async fn connect(address: &str, credentials: &str, n: usize) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let head = format!("Host: {address}\r\nAuthorization: {credentials}\r\n\r\n");
        Self {
            stream,
            head,
            name: format!("idle-{n}"),
        }
    }

    async fn follow(mut self, answered: mpsc::UnboundedSender<()>) {
        let (mut after, mut wait) = (0, 0);
        loop {
            let answer = self.ask(after, wait).await;
            after = answer["seq"].as_i64().expect("a position");
            wait = 30;
            let _ = answered.send(());
        }
    }

    async fn ask(&mut self, after: i64, wait: u32) -> Value {
        let Self { stream, head, name } = self;
        let query = format!("after={after}&wait={wait}&limit=100&follower={name}&lease=30");
        let request = format!("GET /revocations?{query} HTTP/1.1\r\n{head}");
        stream.write_all(request.as_bytes()).await.expect("written");
        let (mut answer, mut piece) = (Vec::new(), [0; 4_096]);
        loop {
            let read = stream.read(&mut piece).await.expect("read");
            assert!(read > 0, "{name}: the server closed the connection");
            answer.extend_from_slice(&piece[..read]);
            if let Some(found) = whole(&answer) {
                assert_eq!(found.status, 200, "{}", String::from_utf8_lossy(&answer));
                return serde_json::from_slice(found.body).expect("JSON");
            }
        }
    }
}

/// RFC 7617: standard base64 of name and secret.
fn basic(name: &str, secret: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{name}:{secret}");
    let mut encoded = String::from("Basic ");
    for chunk in text.as_bytes().chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|n| chunk.get(n).copied().unwrap_or(0));
        let bits = u32::from_be_bytes([0, a, b, c]);
        for n in 0..4 {
            encoded.push(match n <= chunk.len() {
                true => char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]),
                false => '=',
            });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_rfc_7617() {
        assert_eq!(
            basic("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }
}
