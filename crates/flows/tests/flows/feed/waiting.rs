//! Polls that wait: for floors, for keys, for those who acknowledge, for the end.

use countersign_core::Actor;
use countersign_flows::feed::propagated;
use countersign_flows::maintenance::tidy;
use countersign_flows::{Mode, Origin, keys};

use crate::site::{LIFE, MINUTE};

use super::*;

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
