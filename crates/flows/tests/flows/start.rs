use countersign_core::key::Phase;
use countersign_core::{Actor, Claims, Seq};
use countersign_flows::keys::{list, rotate};
use countersign_flows::logout::Proof;
use countersign_flows::maintenance::tidy;
use countersign_flows::start::StartError;
use countersign_flows::{Credential, FlowError, Mode, Origin, authenticate, password, sessions};
use countersign_token::{Algorithm, Refusal, SigningKey};

use crate::site::{LIFE, MINUTE, PASSWORD, Site, credential, from, refresh_token};

const OLD: &str = "the first secret of this installation";
const NEW: &str = "the second secret of this installation";
const OTHER: &str = "a secret of another installation";

#[tokio::test]
async fn another_secret_is_refused_and_makes_nothing_new() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let keys = list(&site).await.unwrap().len();
    for (secret, previous) in [(NEW, None), (NEW, Some(OTHER)), ("", None)] {
        let result = site.node_with(|config| {
            config.secret = secret;
            config.previous = previous;
        });
        refused!(result.await, StartError::WrongSecret);
    }
    assert_eq!(list(&site).await.unwrap().len(), keys);
    site.node().await.identify(&held).await.unwrap();
}

#[tokio::test]
async fn a_changed_secret_takes_over_from_the_previous_one() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let tokens = site.sign_in("ada", Mode::Token).await;
    let cookie = site.sign_in("ada", Mode::Session).await;
    let both = site
        .node_with(|config| (config.secret, config.previous) = (NEW, Some(OLD)))
        .await
        .unwrap();
    // Access tokens are not touched; what the old key made still counts.
    both.identify(&tokens).await.unwrap();
    both.identify(&cookie).await.unwrap();
    let next = both.refresh(&refresh_token(&tokens)).await.unwrap();
    let made = both.sign_in("ada", Mode::Session).await;
    // A node that still has the old secret makes a key.
    rotate(&site, Actor::Operator, &Origin::operator())
        .await
        .unwrap();
    both.look().await;
    site.node_with(|config| (config.secret, config.previous) = (NEW, Some(OLD)))
        .await
        .unwrap();
    refused!(site.node_with(|_| ()).await, StartError::WrongSecret);
    let new = site.node_with(|config| config.secret = NEW).await.unwrap();
    new.identify(&tokens).await.unwrap();
    new.identify(&made).await.unwrap();
    new.refresh(&refresh_token(&next)).await.unwrap();
    refused!(
        new.refresh(&refresh_token(&tokens)).await,
        FlowError::RefreshInvalid
    );
    refused!(new.identify(&cookie).await, FlowError::SessionInvalid);
    new.sign_in("ada", Mode::Token).await;
}

#[tokio::test]
async fn the_first_start_makes_a_key_and_says_that_nobody_can_administer() {
    let site = Site::new().await;
    let told = site.started_again().await;
    assert!(told.new_key.is_none() && !told.has_admin);
    let keys = list(&site).await.unwrap();
    assert!(matches!(keys[..], [ref key] if key.phase == Phase::Signing));
    assert_eq!(
        site.events().await,
        [("key.created".to_owned(), "system".to_owned(), None, None)]
    );
    let boss = site.user("boss", &["admin"]).await;
    assert!(site.started_again().await.has_admin);
    site.change(&boss, crate::site::roles(&[]))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn every_algorithm_signs_and_a_new_one_is_published_first() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let mut held = site.sign_in("ada", Mode::Token).await;
    let mut previous = Algorithm::Es256;
    for algorithm in [Algorithm::EdDsa, Algorithm::Hs256, Algorithm::Es256] {
        let node = site
            .node_with(|config| config.settings.algorithm = algorithm)
            .await
            .unwrap();
        // Once more: it is not made twice.
        let node = node.node().await;
        let keys = list(&node).await.unwrap();
        let now = |phase: Phase| {
            keys.iter()
                .filter(|key| key.phase == phase)
                .map(|key| key.record.algorithm)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (now(Phase::Signing), now(Phase::Published)),
            (vec![previous], vec![algorithm])
        );
        node.pass(MINUTE * 10).await;
        held = node.refresh(&refresh_token(&held)).await.unwrap();
        node.identify(&held).await.unwrap();
        let header = crate::site::access(&held);
        let header = countersign_token::crypto::unb64(header.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["alg"], algorithm.as_str());
        previous = algorithm;
    }
}

#[tokio::test]
async fn a_shorter_life_is_stated_when_the_longer_tokens_are_gone() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let short = site
        .node_with(|config| config.settings.token_lifetime = MINUTE * 5)
        .await
        .unwrap();
    let long_lived = site.sign_in("ada", Mode::Token).await;
    let claims = site.claims(&long_lived);
    assert_eq!(
        claims.exp - claims.iat,
        300,
        "also on the node that was not started again"
    );
    let life = async || {
        let mut reader = short.db.read().await.unwrap();
        countersign_store::log::look(&mut reader.conn())
            .await
            .unwrap()
            .life
    };
    for (after, expected) in [
        (LIFE - MINUTE, LIFE),
        (MINUTE, MINUTE * 5),
        (MINUTE, MINUTE * 5),
    ] {
        short.pass(after).await;
        tidy(&short).await.unwrap();
        assert_eq!(life().await, expected);
    }
    site.look().await;
    let held = site.sign_in("ada", Mode::Token).await;
    for node in [&site, &short] {
        node.identify(&held).await.unwrap();
    }
    // A longer one counts at once.
    let long = site
        .node_with(|config| config.settings.token_lifetime = LIFE * 2)
        .await
        .unwrap();
    assert_eq!(life().await, LIFE * 2);
    let held = long.sign_in("ada", Mode::Token).await;
    short.look().await;
    short.identify(&held).await.unwrap();
}

#[tokio::test]
async fn a_token_from_before_a_lowered_life_is_good_until_it_expires() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let short = site
        .node_with(|config| config.settings.token_lifetime = MINUTE * 5)
        .await
        .unwrap();
    short.pass(LIFE - MINUTE).await;
    tidy(&short).await.unwrap();
    short.identify(&held).await.unwrap();
    // Its floor is kept as long as it would live.
    short
        .log_out(Proof::Credential(credential(&held)), false)
        .await
        .unwrap();
    short.pass(MINUTE - std::time::Duration::from_secs(1)).await;
    tidy(&short).await.unwrap();
    refused!(
        short.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
    refused!(
        short.node().await.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
}

#[tokio::test]
async fn a_token_that_would_outlive_its_floors_is_refused_whoever_signed_it() {
    let shared = "a shared secret that is long enough, says RFC 7518";
    let site = Site::with(|config| config.shared_key = Some(shared)).await;
    site.user("ada", &[]).await;
    let short = site
        .node_with(|config| config.settings.token_lifetime = MINUTE * 5)
        .await
        .unwrap();
    short.pass(LIFE).await;
    tidy(&short).await.unwrap();
    short.look().await;
    site.look().await;
    let own = site.claims(&site.sign_in("ada", Mode::Token).await);
    let key = SigningKey::shared_secret(shared.as_bytes()).unwrap();
    for (life, is_taken) in [(300, true), (301, false), (900, false)] {
        let exp = own.iat + life;
        let token = countersign_token::issue(&key, &Claims { exp, ..own.clone() }).unwrap();
        for node in [&site, &short] {
            match authenticate::identify(node, &Credential::Bearer(token.clone())).await {
                Ok(_) => assert!(is_taken, "{life} s"),
                Err(FlowError::Token(Refusal::Expired)) => assert!(!is_taken, "{life} s"),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_command_beside_a_server_reaches_it_with_one_look() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let beside = site
        .command(|config| {
            config.settings.issuer = "http://elsewhere".to_owned();
            config.settings.token_lifetime = MINUTE;
        })
        .await;
    assert_eq!(beside.settings.issuer, site.settings.issuer);
    password::set(
        &beside,
        &Origin::operator(),
        ada.id,
        &"pear-harbour-42".into(),
        Actor::Operator,
    )
    .await
    .unwrap();
    site.identify(&held).await.unwrap();
    site.look().await;
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
    // The server's life of tokens stands.
    let held = site
        .try_sign_in("ada", "pear-harbour-42", Mode::Token)
        .await
        .unwrap();
    let claims = site.claims(&held);
    assert_eq!(claims.exp - claims.iat, 900);
}

#[tokio::test]
async fn each_start_moves_the_log_on() {
    let site = Site::new().await;
    let before: Seq = site.verifier.seq();
    let node = site.node().await;
    assert!(node.verifier.seq() > before);
}

#[tokio::test]
async fn a_database_put_back_forgets_and_ending_everything_makes_up_for_it() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let mut held = Vec::new();
    for mode in [Mode::Token, Mode::Token, Mode::Session] {
        held.push(site.sign_in("ada", mode).await);
    }
    site.db.close().await;
    let copy = std::fs::read(site.file()).unwrap();
    let site = site.node().await;
    held.push(site.refresh(&refresh_token(&held[1])).await.unwrap());
    site.log_out(Proof::Credential(credential(&held[0])), false)
        .await
        .unwrap();
    held.push(site.sign_in("ada", Mode::Token).await);
    let live = site.live(&held[4]).await.unwrap();
    let next = "pear-harbour-42".into();
    held.push(
        password::change(&site, &from("::1"), &live, &PASSWORD.into(), &next)
            .await
            .unwrap(),
    );
    site.db.close().await;
    std::fs::write(site.file(), copy).unwrap();
    // Putting it back takes a moment, and the log counts microseconds.
    site.clock.advance(std::time::Duration::from_millis(1));

    let site = site.node().await;
    // What was ended lives again, and what is newer than the copy is unknown.
    site.identify(&held[0]).await.unwrap();
    sessions::end_everything(&site, &Origin::operator(), Actor::Operator)
        .await
        .unwrap();
    // No follower has seen this version of the keys.
    let look = {
        let mut reader = site.db.read().await.unwrap();
        countersign_store::log::look(&mut reader.conn())
            .await
            .unwrap()
    };
    assert_eq!(look.keys_version, look.seq.0);
    for dead in [&held[0], &held[1], &held[3], &held[4], &held[5]] {
        refused!(
            site.identify(dead).await,
            FlowError::Token(Refusal::Revoked)
        );
        refused!(site.live(dead).await, FlowError::Token(Refusal::Revoked));
        refused!(
            site.refresh(&refresh_token(dead)).await,
            FlowError::RefreshInvalid
        );
    }
    refused!(site.identify(&held[2]).await, FlowError::SessionInvalid);
    for mode in [Mode::Token, Mode::Session] {
        site.identify(&site.sign_in("ada", mode).await)
            .await
            .unwrap();
    }
}
