use std::time::Duration;

use countersign_core::Actor;
use countersign_core::key::Phase;
use countersign_flows::keys::{list, revoke, rotate};
use countersign_flows::maintenance::tidy;
use countersign_flows::{FlowError, Mode, Origin, SignedIn};
use countersign_token::{MAX_KEYS, Refusal};

use crate::site::{LIFE, MINUTE, Site, access, refresh_token};

const MOMENT: Duration = Duration::from_millis(1);

/// The key that made a token.
fn kid(held: &SignedIn) -> String {
    let header = countersign_token::crypto::unb64(access(held).split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn published(site: &Site) -> Vec<String> {
    let jwks = site.keys.jwks(site.clock.now());
    jwks.keys.iter().map(|key| key.kid().to_owned()).collect()
}

async fn phases(site: &Site) -> Vec<(String, Phase)> {
    let views = list(site).await.unwrap().into_iter();
    views.map(|view| (view.record.kid, view.phase)).collect()
}

#[tokio::test]
async fn with_a_shared_secret_there_is_nothing_to_manage_or_publish() {
    let shared = "a shared secret that is long enough, says RFC 7518";
    let site = Site::with(|config| config.shared_key = Some(shared)).await;
    site.user("ada", &[]).await;
    let (cli, actor) = (Origin::operator(), Actor::Operator);
    refused!(
        rotate(&site, actor.clone(), &cli).await,
        FlowError::SharedSecret
    );
    refused!(
        revoke(&site, "shared", actor, &cli).await,
        FlowError::SharedSecret
    );
    assert!(published(&site).is_empty() && list(&site).await.unwrap().is_empty());
    let held = site.sign_in("ada", Mode::Token).await;
    site.identify(&held).await.unwrap();
    // Whoever sets a secret, or another, ends what was signed before.
    let own = site
        .node_with(|config| config.shared_key = None)
        .await
        .unwrap();
    refused!(
        own.identify(&held).await,
        FlowError::Token(Refusal::UnknownKey)
    );
    let next = own.refresh(&refresh_token(&held)).await.unwrap();
    site.look().await;
    refused!(
        site.identify(&next).await,
        FlowError::Token(Refusal::UnknownKey)
    );
}

#[tokio::test]
async fn a_key_is_published_then_signs_and_the_old_one_verifies_for_a_life_longer() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let other = site.node().await;
    let first = kid(&site.sign_in("ada", Mode::Token).await);
    assert_eq!(published(&site), std::slice::from_ref(&first));
    let view = rotate(&site, Actor::Operator, &Origin::operator())
        .await
        .unwrap();
    let second = view.record.kid.clone();
    assert_eq!(view.phase, Phase::Published);
    let event = ("key.created".to_owned(), "cli".to_owned(), None, None);
    assert_eq!(site.events().await[0], event);
    other.look().await;
    for node in [&site, &other] {
        assert_eq!(published(node), [first.clone(), second.clone()]);
    }
    site.pass(MINUTE * 10 - MOMENT).await;
    other.look().await;
    let last = site.sign_in("ada", Mode::Token).await;
    assert_eq!(kid(&last), first, "not before everybody knows the new one");
    site.pass(MOMENT).await;
    other.look().await;
    for node in [&site, &other] {
        let held = node.sign_in("ada", Mode::Token).await;
        assert_eq!(kid(&held), second);
        node.identify(&held).await.unwrap();
        node.identify(&last).await.unwrap();
    }
    let verifies_until = site.clock.now().plus(LIFE);
    assert_eq!(
        phases(&site).await,
        [
            (first.clone(), Phase::Retired { verifies_until }),
            (second.clone(), Phase::Signing)
        ]
    );
    site.pass(LIFE - MOMENT).await;
    tidy(&site).await.unwrap();
    assert_eq!(published(&site).len(), 2);
    site.pass(MOMENT).await;
    assert_eq!(published(&site), std::slice::from_ref(&second));
    tidy(&site).await.unwrap();
    assert_eq!(phases(&site).await, [(second, Phase::Signing)]);
    refused!(
        site.identify(&last).await,
        FlowError::Token(Refusal::UnknownKey)
    );
}

#[tokio::test]
async fn a_revoked_key_ends_at_once_on_every_node_and_another_signs() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let other = site.node().await;
    let held = site.sign_in("ada", Mode::Token).await;
    let stolen = kid(&held);
    let (cli, actor) = (Origin::operator(), Actor::Operator);
    for none in ["", "no-such-key", "a\0"] {
        refused!(
            revoke(&site, none, actor.clone(), &cli).await,
            FlowError::NotFound("key")
        );
    }
    other.identify(&held).await.unwrap();
    revoke(&site, &stolen, actor.clone(), &cli).await.unwrap();
    refused!(
        revoke(&site, &stolen, actor.clone(), &cli).await,
        FlowError::NotFound("key")
    );
    let kinds: Vec<_> = site
        .events()
        .await
        .into_iter()
        .map(|event| event.0)
        .take(2)
        .collect();
    assert_eq!(kinds, ["key.revoked", "key.created"]);
    other.look().await;
    for node in [&site, &other] {
        refused!(
            node.identify(&held).await,
            FlowError::Token(Refusal::UnknownKey)
        );
        assert!(!published(node).contains(&stolen));
    }
    // The login lives: its session was not the thief's to end.
    let next = other.refresh(&refresh_token(&held)).await.unwrap();
    assert_ne!(kid(&next), stolen);
    for node in [&site, &other] {
        node.identify(&next).await.unwrap();
    }
    // A restart does not bring it back, nor does forgetting it.
    site.pass(LIFE * 9).await;
    tidy(&site).await.unwrap();
    assert_eq!(phases(&site).await, [(kid(&next), Phase::Signing)]);
}

#[tokio::test]
async fn the_next_key_signs_at_once_where_the_present_one_is_revoked() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let (cli, actor) = (Origin::operator(), Actor::Operator);
    let first = kid(&site.sign_in("ada", Mode::Token).await);
    let next = rotate(&site, actor.clone(), &cli).await.unwrap().record.kid;
    let spare = rotate(&site, actor.clone(), &cli).await.unwrap().record.kid;
    // One that does not sign takes nobody's place.
    revoke(&site, &spare, actor.clone(), &cli).await.unwrap();
    assert_eq!(kid(&site.sign_in("ada", Mode::Token).await), first);
    revoke(&site, &first, actor.clone(), &cli).await.unwrap();
    assert_eq!(kid(&site.sign_in("ada", Mode::Token).await), next);
    assert_eq!(published(&site), [next]);
}

#[tokio::test]
async fn a_node_looks_for_an_unknown_key_once_in_ten_seconds() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let other = site.node().await;
    let (cli, actor) = (Origin::operator(), Actor::Operator);
    let mut held = site.sign_in("ada", Mode::Token).await;
    for known in [true, false] {
        revoke(&site, &kid(&held), actor.clone(), &cli)
            .await
            .unwrap();
        held = site.refresh(&refresh_token(&held)).await.unwrap();
        match other.identify(&held).await {
            Ok(_) => assert!(known),
            Err(FlowError::Token(Refusal::UnknownKey)) => assert!(!known),
            Err(error) => panic!("{error:?}"),
        }
    }
    other.look().await;
    other.identify(&held).await.unwrap();
}

#[tokio::test]
async fn no_more_keys_are_published_than_a_verifier_takes() {
    let site = Site::new().await;
    let (cli, actor) = (Origin::operator(), Actor::Operator);
    for _ in 0..MAX_KEYS - 2 {
        rotate(&site, actor.clone(), &cli).await.unwrap();
    }
    let result = rotate(&site, actor.clone(), &cli).await;
    refused!(result, FlowError::Invalid(found) if found[0].field == "key");
    let signing = list(&site).await.unwrap()[0].record.kid.clone();
    revoke(&site, &signing, actor.clone(), &cli).await.unwrap();
    assert!(published(&site).len() < MAX_KEYS);
    site.pass(MINUTE * 10 + LIFE).await;
    tidy(&site).await.unwrap();
    rotate(&site, actor, &cli).await.unwrap();
}
