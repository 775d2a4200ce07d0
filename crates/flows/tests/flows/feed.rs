//! Following the log. Time that can be moved is moved; a poll waits in the machine's.

use std::time::Duration;

use countersign_core::{Actor, ClientKind, Floor, Reason, Scope, Seq};
use countersign_flows::feed::{self, Question, propagated};
use countersign_flows::logout::Proof;
use countersign_flows::maintenance::tidy;
use countersign_flows::{FlowError, Mode, Origin, SignedIn, clients, keys, log, sessions};
use countersign_token::crypto::{b64, sha256};
use countersign_token::feed::{Answer, MAX_FLOORS};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::site::{LIFE, MINUTE, START, Site, credential, disabled, roles};

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

#[tokio::test]
async fn every_kind_of_end_is_in_the_feed_with_its_subject_and_its_time() {
    for site in Site::each().await {
        let (cli, actor) = (Origin::operator(), Actor::Operator);
        let ada = site.user("ada", &["editor"]).await;
        let held = site.sign_in("ada", Mode::Token).await;
        let sid = site.claims(&held).sid;
        site.clock.advance(Duration::from_millis(1_500));
        site.look().await;
        let from = bootstrap(&site).await;
        assert!(from.floors.is_empty() && !from.more);
        assert_eq!(from.now, START.as_secs() + 1);
        assert_eq!(from.life, 900);

        log_out(&site, &held).await;
        site.change(&ada, roles(&["author"])).await.unwrap();
        site.change(&ada, disabled(true)).await.unwrap();
        clients::add(&site, &cli, "shop", ClientKind::Service, actor.clone())
            .await
            .unwrap();
        clients::remove(&site, &cli, "shop", actor.clone())
            .await
            .unwrap();
        sessions::end_everything(&site, &cli, actor).await.unwrap();

        let Answer { floors, seq, .. } = ask(&site, question(from.seq)).await;
        assert!(ascending(&floors) && floors[0].seq > from.seq);
        assert_eq!(floors.last().unwrap().seq, seq);
        let user = ada.id.to_string();
        let told: Vec<_> = floors
            .iter()
            .map(|floor| (floor.scope, floor.subject.to_string(), floor.reason))
            .collect();
        assert_eq!(
            told,
            [
                (Scope::Session, subject("session", &sid), Reason::Revoked),
                (Scope::User, subject("user", &user), Reason::Superseded),
                (Scope::User, subject("user", &user), Reason::Revoked),
                (Scope::Client, subject("client", "shop"), Reason::Revoked),
                (
                    Scope::Issuer,
                    subject("issuer", &site.settings.issuer),
                    Reason::Revoked
                ),
            ]
        );
        // Its commit, a life and a minute; in whole seconds, never earlier.
        for floor in &floors {
            let json = serde_json::to_value(floor).unwrap();
            assert_eq!(json["exp"], START.as_secs() + 2 + 900 + 60);
        }
        // What concerns expired tokens only is forgotten, and only that.
        let kept = Duration::from_secs(900 + 60);
        for (pass, left) in [(kept, 5), (Duration::from_millis(1), 0)] {
            site.pass(pass).await;
            tidy(&site).await.unwrap();
            let all = bootstrap(&site).await;
            assert_eq!((all.floors.len(), all.seq), (left, seq), "{all:?}");
        }
    }
}

#[tokio::test]
async fn pages_lose_and_repeat_nothing_while_writers_go_on() {
    for site in Site::each().await {
        site.user("ada", &[]).await;
        for _ in 0..10 {
            let held = site.sign_in("ada", Mode::Token).await;
            log_out(&site, &held).await;
        }
        let busy = site.clone();
        let writer = tokio::spawn(async move {
            for _ in 0..30 {
                let held = busy.sign_in("ada", Mode::Token).await;
                log_out(&busy, &held).await;
            }
        });
        let (mut at, mut got, mut pages) = (Seq(0), Vec::new(), 0);
        loop {
            let finished = writer.is_finished();
            let page = ask(
                &site,
                Question {
                    limit: 3,
                    ..question(at)
                },
            )
            .await;
            assert!(ascending(&page.floors) && page.floors.len() <= 3);
            assert!(
                page.floors
                    .iter()
                    .all(|floor| floor.seq > at && floor.seq <= page.seq)
            );
            if page.more {
                assert_eq!(page.floors.len(), 3);
                assert_eq!(page.seq, page.floors[2].seq, "the cursor to go on from");
            }
            pages += 1;
            got.extend(page.floors);
            at = page.seq;
            if finished && !page.more {
                break;
            }
        }
        writer.await.unwrap();
        let all = bootstrap(&site).await;
        assert!(ascending(&got) && got == all.floors && at == all.seq);
        assert!(got.len() == 40 && pages >= 14, "{pages}");
    }
}

#[tokio::test]
async fn a_page_is_never_empty_nor_larger_than_the_limit_of_the_protocol() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    log_out(&site, &held).await;
    for limit in [0, 1, usize::MAX] {
        let page = ask(
            &site,
            Question {
                limit,
                ..question(Seq(0))
            },
        )
        .await;
        assert_eq!((page.floors.len(), page.more), (1, false));
    }
    let first = bootstrap(&site).await.floors[0];
    let rows: Vec<_> = (1..=MAX_FLOORS)
        .map(|n| {
            let seq = first.seq.0 - n as i64;
            format!(
                "({seq}, 'token', x'{n:032x}', 'revoked', {})",
                first.expires.as_millis()
            )
        })
        .collect();
    site.sql(&format!(
        "INSERT INTO floors (seq, scope, subject, reason, expires) VALUES {}",
        rows.join(", ")
    ))
    .await;
    // A node that was there already never looks for floors so far back.
    let site = site.node().await;
    let page = ask(
        &site,
        Question {
            limit: usize::MAX,
            ..question(Seq(1))
        },
    )
    .await;
    assert_eq!((page.floors.len(), page.more), (MAX_FLOORS, true));
    let rest = ask(&site, question(page.seq)).await;
    assert_eq!(
        (rest.floors.as_slice(), rest.more, rest.seq),
        (&[first][..], false, site.verifier.seq())
    );
}

#[tokio::test]
async fn a_waiting_poll_wakes_with_the_floor_of_either_node_and_else_ends_with_none() {
    for site in Site::each().await {
        site.user("ada", &[]).await;
        let other = site.node().await;
        let running = looks(&site);
        let at = bootstrap(&site).await.seq;
        let began = Instant::now();
        let none = ask(&site, waiting(at, SHORT)).await;
        assert!(began.elapsed() >= SHORT && none.floors.is_empty() && none.seq == at);
        let (mut at, mut worst) = (at, [Duration::ZERO; 2]);
        for round in 0..6 {
            let writer = [&site, &other][round % 2];
            let held = writer.sign_in("ada", Mode::Token).await;
            let polls = [
                poll(&site, waiting(at, LONG)).await,
                poll(&site, waiting(at, Duration::MAX)).await,
            ];
            log_out(writer, &held).await;
            let acknowledged = Instant::now();
            for poll in polls {
                let (news, answered) = poll.await.unwrap();
                let news = news.unwrap();
                assert_eq!(news.floors.len(), 1);
                let took = answered.saturating_duration_since(acknowledged);
                worst[round % 2] = worst[round % 2].max(took);
                at = news.seq;
            }
        }
        println!(
            "{}: a poll wakes {:?} after a logout here, {:?} after one elsewhere, at worst",
            site.db.engine_name(),
            worst[0],
            worst[1]
        );
        assert!(worst[1] < Duration::from_secs(1), "{worst:?}");
        running.abort();
    }
}

#[tokio::test]
async fn a_cursor_from_ahead_of_the_log_begins_anew_and_follows_it_back() {
    for site in Site::each().await {
        site.user("ada", &[]).await;
        let held = site.sign_in("ada", Mode::Token).await;
        log_out(&site, &held).await;
        let all = bootstrap(&site).await;
        for after in [all.seq.0 + 1, i64::MAX] {
            // At once, whatever it would wait.
            let answered = ask(&site, waiting(Seq(after), LONG)).await;
            assert_eq!(answered, all, "{after}");
        }
        assert_eq!(
            bootstrap(&site).await.seq,
            all.seq,
            "what it claims changes nothing"
        );
        // An older database: the same follower is led back.
        let earlier = all.seq.0 - 1_000_000;
        site.sql(&format!(
            "DELETE FROM floors; UPDATE log_clock SET seq = {earlier}"
        ))
        .await;
        let running = looks(&site);
        let answered = ask(&site, waiting(all.seq, LONG)).await;
        assert_eq!((answered.seq, answered.floors.len()), (Seq(earlier), 0));
        running.abort();
    }
}

#[tokio::test]
async fn new_keys_are_told_at_once_to_those_who_wait_and_to_those_who_were_away() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let running = looks(&site);
    let (cli, actor) = (Origin::operator(), Actor::Operator);
    let mut known = bootstrap(&site).await;
    for (what, waits) in [
        ("rotate", true),
        ("rotate", false),
        ("revoke", true),
        ("revoke", false),
        ("expire", true),
    ] {
        let poll = match waits {
            true => Some(poll(&site, waiting(known.seq, LONG)).await),
            false => None,
        };
        match what {
            "rotate" => {
                keys::rotate(&site, actor.clone(), &cli).await.unwrap();
            }
            "revoke" => {
                let signing = site.keys.signing(site.clock.now()).unwrap();
                keys::revoke(&site, signing.kid(), actor.clone(), &cli)
                    .await
                    .unwrap();
            }
            _ => {
                // One that was replaced, when its last token has expired.
                keys::rotate(&site, actor.clone(), &cli).await.unwrap();
                known = poll.unwrap().await.unwrap().0.unwrap();
                site.pass(MINUTE * 10).await;
                site.pass(LIFE).await;
                let poll = self::poll(&site, waiting(known.seq, LONG)).await;
                tidy(&site).await.unwrap();
                let news = poll.await.unwrap().0.unwrap();
                assert_ne!(news.keys, known.keys);
                continue;
            }
        }
        let news = match poll {
            Some(poll) => poll.await.unwrap().0.unwrap(),
            None => tokio::time::timeout(LONG / 4, ask(&site, waiting(known.seq, LONG)))
                .await
                .expect("it does not wait, though it asked after the change"),
        };
        assert_ne!(news.keys, known.keys, "{what}");
        assert!(news.floors.is_empty());
        // By then the JWKS is the new one.
        assert_eq!(news.keys, ask(&site, question(news.seq)).await.keys);
        known = news;
    }
    running.abort();
}

#[tokio::test]
async fn a_longer_life_is_told() {
    let site = Site::new().await;
    let other = site
        .node_with(|config| config.settings.token_lifetime = LIFE * 2)
        .await
        .unwrap();
    for node in [&site, &other] {
        assert_eq!(bootstrap(node).await.life, 1_800);
    }
}

#[tokio::test]
async fn a_logout_is_propagated_when_every_follower_with_a_lease_has_asked_for_more() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let is_propagated = async || propagated(&site, SHORT).await.unwrap();
    assert!(is_propagated().await, "nobody follows");
    let before = bootstrap(&site).await.seq;
    ask(&site, named(before, "one", 30)).await;
    ask(&site, named(before, "two", 5)).await;
    ask(&site, question(Seq(0))).await;
    assert!(is_propagated().await, "all have all there is");
    let held = site.sign_in("ada", Mode::Token).await;
    log_out(&site, &held).await;
    assert!(!is_propagated().await, "both are behind");
    let seq = ask(&site, named(before, "one", 30)).await.seq;
    assert!(
        !is_propagated().await,
        "being answered is not having applied"
    );
    ask(&site, named(seq, "one", 30)).await;
    assert!(!is_propagated().await, "one has it, the other has not");
    for elsewhere in [Seq(0), Seq(seq.0 - 1), Seq(seq.0 + 1), Seq(i64::MAX)] {
        ask(&site, named(elsewhere, "two", 5)).await;
        assert!(!is_propagated().await, "{elsewhere} proves nothing");
    }
    // A follower without a lease refuses everything: it cannot be fooled.
    site.pass(Duration::from_millis(4_999)).await;
    assert!(!is_propagated().await);
    site.pass(Duration::from_millis(1)).await;
    assert!(is_propagated().await, "the lease has lapsed");
    // One that begins anew with the same name has nothing yet.
    ask(&site, named(Seq(0), "one", 30)).await;
    assert!(!is_propagated().await);
    ask(&site, named(seq, "one", 30)).await;
    assert!(is_propagated().await);
}

#[tokio::test]
async fn an_acknowledgement_is_noticed_while_a_logout_waits_for_it() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let running = looks(&site);
    let before = bootstrap(&site).await.seq;
    let polls = [
        poll(
            &site,
            Question {
                wait: LONG,
                ..named(before, "one", 30)
            },
        )
        .await,
        poll(
            &site,
            Question {
                wait: LONG,
                ..named(before, "two", 30)
            },
        )
        .await,
    ];
    let held = site.sign_in("ada", Mode::Token).await;
    log_out(&site, &held).await;
    let waits = site.clone();
    let logout = tokio::spawn(async move { propagated(&waits, LONG).await.unwrap() });
    for (poll, name) in polls.into_iter().zip(["one", "two"]) {
        let news = poll.await.unwrap().0.unwrap();
        assert!(!logout.is_finished(), "{name} has not acknowledged");
        ask(&site, named(news.seq, name, 30)).await;
    }
    assert!(
        tokio::time::timeout(LONG / 4, logout)
            .await
            .unwrap()
            .unwrap()
    );
    running.abort();
}

#[tokio::test]
async fn a_closing_server_answers_those_who_wait_and_lets_nobody_wait() {
    let site = Site::new().await;
    let at = bootstrap(&site).await.seq;
    let mut polls = Vec::new();
    for _ in 0..5 {
        polls.push(poll(&site, waiting(at, LONG)).await);
    }
    let began = Instant::now();
    site.feed.close();
    for poll in polls {
        assert_eq!(poll.await.unwrap().0.unwrap().seq, at);
    }
    ask(&site, waiting(at, LONG)).await;
    assert!(began.elapsed() < LONG / 4);
    assert_eq!(site.feed.waiting(), 0);
}

#[tokio::test]
async fn whoever_hangs_up_waits_no_more() {
    let site = Site::new().await;
    let at = bootstrap(&site).await.seq;
    let poll = poll(&site, waiting(at, LONG)).await;
    poll.abort();
    assert!(poll.await.is_err());
    assert_eq!(site.feed.waiting(), 0);
}
