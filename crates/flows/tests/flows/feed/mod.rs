//! Following the log. Time that can be moved is moved; a poll waits in the machine's.

mod pages;
mod waiting;

use std::time::Duration;

use countersign_core::{Floor, Seq};
use countersign_flows::feed::{self, Question};
use countersign_flows::logout::Proof;
use countersign_flows::{FlowError, Mode, SignedIn, log};
use countersign_token::crypto::{b64, sha256};
use countersign_token::feed::{Answer, MAX_FLOORS};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::site::{Site, credential};

const SHORT: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(20);

fn question(after: Seq) -> Question {
    Question {
        after,
        wait: Duration::ZERO,
        limit: MAX_FLOORS,
        follower: None,
    }
}

fn waiting(after: Seq, wait: Duration) -> Question {
    Question {
        wait,
        ..question(after)
    }
}

fn named(after: Seq, name: &str, lease: u64) -> Question {
    Question {
        follower: Some((name.to_owned(), Duration::from_secs(lease))),
        ..question(after)
    }
}

/// As a follower reads it.
async fn answer(site: &Site, question: Question) -> Result<Answer, FlowError> {
    let body = feed::answer(site, question).await?;
    Ok(serde_json::from_str(&body).unwrap())
}

async fn ask(site: &Site, question: Question) -> Answer {
    answer(site, question).await.unwrap()
}

/// Everything there is.
async fn bootstrap(site: &Site) -> Answer {
    ask(site, question(Seq(0))).await
}

/// The node as it runs: it looks again and again.
fn looks(site: &Site) -> JoinHandle<()> {
    let site = site.clone();
    tokio::spawn(async move {
        loop {
            site.look().await;
            log::next(&site).await;
        }
    })
}

/// A poll in the background, which waits by the time this returns.
async fn poll(site: &Site, question: Question) -> JoinHandle<(Result<Answer, FlowError>, Instant)> {
    let before = site.feed.waiting();
    let asking = site.clone();
    let poll = tokio::spawn(async move { (answer(&asking, question).await, Instant::now()) });
    while site.feed.waiting() == before {
        assert!(!poll.is_finished(), "answered at once");
        sleep(Duration::from_millis(1)).await;
    }
    poll
}

async fn log_out(site: &Site, held: &SignedIn) {
    let proof = Proof::Credential(credential(held));
    site.log_out(proof, false).await.unwrap();
}

/// As a follower in another language computes it.
fn subject(scope: &str, id: &str) -> String {
    b64(&sha256(format!("{scope}:{id}").as_bytes())[..16])
}

fn ascending(floors: &[Floor]) -> bool {
    floors.windows(2).all(|pair| pair[0].seq < pair[1].seq)
}

#[tokio::test]
async fn a_node_that_stopped_looking_while_one_waited_does_not_answer() {
    let site = Site::new().await;
    let at = bootstrap(&site).await.seq;
    for by in [1_000, 1_001] {
        let poll = poll(&site, waiting(at, SHORT)).await;
        site.clock.advance(Duration::from_millis(by));
        let (result, _) = poll.await.unwrap();
        match by {
            1_000 => assert_eq!(result.unwrap().seq, at),
            _ => refused!(result, FlowError::Unavailable),
        }
    }
}

#[tokio::test]
async fn a_node_that_cannot_look_answers_nothing() {
    let site = Site::with(|config| config.connections = 1).await;
    let at = bootstrap(&site).await.seq;
    let taken = site.db.read().await.unwrap();
    for after in [Seq(0), at] {
        refused!(
            answer(&site, named(after, "a", 30)).await,
            FlowError::Unavailable
        );
    }
    drop(taken);
    assert!(bootstrap(&site).await.seq > at, "it moved the log on");
}

#[tokio::test]
async fn an_answer_never_rests_on_a_look_from_before_the_question() {
    for site in Site::each().await {
        site.user("ada", &[]).await;
        let other = site.node().await;
        let running = looks(&site);
        let mut at = bootstrap(&site).await.seq;
        for _ in 0..20 {
            let held = other.sign_in("ada", Mode::Token).await;
            log_out(&other, &held).await;
            // Nobody told this node, and it was current a moment ago.
            let news = ask(&site, waiting(at, LONG)).await;
            let sid = site.claims(&held).sid;
            assert_eq!(news.floors.len(), 1, "{news:?}");
            assert_eq!(news.floors[0].subject.to_string(), subject("session", &sid));
            assert_eq!(news.seq, news.floors[0].seq);
            at = news.seq;
        }
        running.abort();
    }
}
