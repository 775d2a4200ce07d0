//! What stands in an answer, and where it ends.

use countersign_core::{Actor, ClientKind, Reason, Scope};
use countersign_flows::maintenance::tidy;
use countersign_flows::{Mode, Origin, clients, sessions};

use crate::site::{LIFE, START, disabled, roles};

use super::*;

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
