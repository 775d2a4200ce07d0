use std::time::Duration;

use countersign_flows::profile::NewNames;
use countersign_flows::{FlowError, Mode, delete_account, password, profile};

use crate::site::{LIFE as WINDOW, MINUTE, PASSWORD, Site, from};

const WRONG: &str = "wrong-harbour-41";

/// Whether an attempt is hashed at all.
async fn is_heard(site: &Site, address: &str, name: &str, password: &str) -> bool {
    let before = site.hasher.started();
    match site
        .sign_in_from(&from(address), name, password, Mode::Token)
        .await
    {
        Ok(_) | Err(FlowError::InvalidCredentials) => true,
        Err(FlowError::Throttled { retry_after }) => {
            assert_eq!(site.hasher.started(), before, "counted before it is hashed");
            assert!(retry_after <= WINDOW && retry_after >= Duration::from_secs(1));
            false
        }
        Err(other) => panic!("{other:?}"),
    }
}

async fn guess(site: &Site, times: usize, address: &str, name: &str) {
    for _ in 0..times {
        assert!(is_heard(site, address, name, WRONG).await);
    }
}

#[tokio::test]
async fn ten_failures_for_a_name_from_an_address_whether_it_exists_or_not() {
    for name in ["ada", "nobody", "no such name"] {
        let site = Site::new().await;
        site.user("ada", &[]).await;
        let held = site.sign_in("ada", Mode::Token).await;
        guess(&site, 10, "192.0.2.1", name).await;
        for _ in 0..20 {
            assert!(!is_heard(&site, "192.0.2.1", name, PASSWORD).await);
        }
        assert!(is_heard(&site, "192.0.2.2", name, WRONG).await);
        assert!(is_heard(&site, "192.0.2.1", "another", WRONG).await);
        // Live sessions are not touched.
        site.identify(&held).await.unwrap();
    }
}

#[tokio::test]
async fn spellings_of_a_name_and_addresses_of_a_network_count_together() {
    let site = Site::new().await;
    guess(&site, 4, "2001:db8:1:2::1", "ada").await;
    guess(&site, 3, "2001:db8:1:2:ffff::9", "ADA").await;
    guess(&site, 3, "2001:db8:1:2::3", "Ａda").await;
    assert!(!is_heard(&site, "2001:db8:1:2::4", "ada", WRONG).await);
    assert!(is_heard(&site, "2001:db8:1:3::1", "ada", WRONG).await);
    guess(&site, 10, "192.0.2.1", "ada").await;
    assert!(!is_heard(&site, "::ffff:192.0.2.1", "ada", WRONG).await);
}

#[tokio::test]
async fn the_window_begins_with_the_first_failure_and_knocking_does_not_prolong_it() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    guess(&site, 9, "192.0.2.1", "ada").await;
    site.pass(MINUTE * 10).await;
    guess(&site, 1, "192.0.2.1", "ada").await;
    for _ in 0..5 {
        let result = site
            .sign_in_from(&from("192.0.2.1"), "ada", PASSWORD, Mode::Token)
            .await;
        refused!(result, FlowError::Throttled { retry_after } if retry_after == MINUTE * 5);
    }
    site.pass(MINUTE * 5 - Duration::from_millis(1)).await;
    assert!(!is_heard(&site, "192.0.2.1", "ada", PASSWORD).await);
    site.pass(Duration::from_millis(1)).await;
    assert!(is_heard(&site, "192.0.2.1", "ada", PASSWORD).await);
}

#[tokio::test]
async fn counters_survive_a_restart() {
    let site = Site::new().await;
    guess(&site, 10, "192.0.2.1", "ada").await;
    assert!(!is_heard(&site.node().await, "192.0.2.1", "ada", WRONG).await);
}

#[tokio::test]
async fn a_hundred_failures_from_an_address_under_any_names() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    guess(&site, 1, "192.0.2.1", "first").await;
    site.pass(MINUTE * 5).await;
    for name in 0..33 {
        guess(&site, 3, "192.0.2.1", &format!("name{name}")).await;
    }
    let result = site
        .sign_in_from(&from("192.0.2.1"), "ada", PASSWORD, Mode::Token)
        .await;
    // When the address may try again, not when this pair might.
    refused!(result, FlowError::Throttled { retry_after } if retry_after == MINUTE * 10);
    assert!(is_heard(&site, "192.0.2.2", "ada", PASSWORD).await);
}

#[tokio::test]
async fn this_machine_has_no_limit_of_its_own() {
    let site = Site::new().await;
    for name in 0..15 {
        for address in ["127.0.0.1", "::1", "127.8.8.8"] {
            guess(&site, 3, address, &format!("name{name}")).await;
        }
    }
    guess(&site, 1, "127.0.0.1", "name0").await;
    assert!(!is_heard(&site, "127.0.0.1", "name0", WRONG).await);
}

#[tokio::test]
async fn after_a_hundred_failures_of_a_name_each_address_has_one_try() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    for network in 0..10 {
        guess(&site, 10, &format!("192.0.2.{network}"), "ada").await;
    }
    guess(&site, 1, "198.51.100.1", "ada").await;
    assert!(!is_heard(&site, "198.51.100.1", "ada", PASSWORD).await);
    // The owner is never shut out, and a right password does not use the try up.
    for _ in 0..3 {
        assert!(is_heard(&site, "198.51.100.2", "ada", PASSWORD).await);
    }
    // Nor does it give the others more than theirs.
    guess(&site, 1, "198.51.100.3", "ada").await;
    assert!(!is_heard(&site, "198.51.100.3", "ada", PASSWORD).await);
}

#[tokio::test]
async fn a_success_clears_its_own_pair_and_no_other() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    guess(&site, 10, "192.0.2.9", "ada").await;
    guess(&site, 10, "192.0.2.1", "bob").await;
    for _ in 0..9 {
        guess(&site, 9, "192.0.2.1", "ada").await;
        assert!(is_heard(&site, "192.0.2.1", "ada", PASSWORD).await);
    }
    assert!(!is_heard(&site, "192.0.2.9", "ada", PASSWORD).await);
    assert!(!is_heard(&site, "192.0.2.1", "bob", WRONG).await);
    // 91 failures stand against the address, and none of the nine that were right.
    guess(&site, 9, "192.0.2.1", "eve").await;
    assert!(!is_heard(&site, "192.0.2.1", "ada", PASSWORD).await);
}

#[tokio::test]
async fn guesses_that_wait_for_a_thread_are_counted_already() {
    let site = Site::with(|config| config.threads = 1).await;
    site.user("ada", &[]).await;
    let before = site.hasher.started();
    let guesses: Vec<_> = (0..40)
        .map(|_| {
            let site = site.clone();
            tokio::spawn(async move { site.try_sign_in("ada", WRONG, Mode::Token).await })
        })
        .collect();
    let mut heard = 0;
    for guess in guesses {
        heard += usize::from(matches!(
            guess.await.unwrap(),
            Err(FlowError::InvalidCredentials)
        ));
    }
    assert_eq!((heard, site.hasher.started() - before), (10, 10));
}

#[tokio::test]
async fn an_attempt_that_nobody_looked_at_is_no_failure() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let here = from("192.0.2.1");
    let busy = site.node_with(|config| config.queue = 0).await.unwrap();
    for _ in 0..30 {
        let result = busy
            .sign_in_from(&from("192.0.2.1"), "ada", PASSWORD, Mode::Token)
            .await;
        refused!(result, FlowError::Busy { .. });
        let live = busy.live(&held).await.unwrap();
        let result = delete_account::delete_own(&busy, &here, &live, &WRONG.into()).await;
        refused!(result, FlowError::Busy { .. });
    }
    guess(&site, 10, "192.0.2.1", "ada").await;
    let live = site.live(&held).await.unwrap();
    for _ in 0..5 {
        let result = delete_account::delete_own(&site, &here, &live, &WRONG.into()).await;
        refused!(result, FlowError::InvalidCredentials);
    }
}

#[tokio::test]
async fn five_wrong_passwords_on_changes_within_a_session() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let (one, two) = (
        site.sign_in("ada", Mode::Token).await,
        site.sign_in("ada", Mode::Session).await,
    );
    let (one, two) = (
        site.live(&one).await.unwrap(),
        site.live(&two).await.unwrap(),
    );
    let here = from("192.0.2.1");
    let new_names = NewNames {
        username: Some("eve".to_owned()),
        email: None,
    };
    let next = "pear-harbour-42".into();
    for _ in 0..4 {
        let result = password::change(&site, &here, &one, &WRONG.into(), &next).await;
        refused!(result, FlowError::InvalidCredentials);
    }
    // A right one starts anew.
    profile::rename(&site, &here, &one, &new_names, &PASSWORD.into())
        .await
        .unwrap();
    for attempt in 0..5 {
        let result = match attempt % 3 {
            0 => password::change(&site, &here, &one, &WRONG.into(), &next)
                .await
                .map(drop),
            1 => profile::rename(&site, &here, &one, &new_names, &WRONG.into())
                .await
                .map(drop),
            _ => delete_account::delete_own(&site, &here, &one, &WRONG.into()).await,
        };
        refused!(result, FlowError::InvalidCredentials);
    }
    let before = site.hasher.started();
    let result = password::change(&site, &here, &one, &PASSWORD.into(), &next).await;
    refused!(result, FlowError::Throttled { retry_after } if retry_after == WINDOW);
    let result = profile::rename(&site, &here, &one, &new_names, &PASSWORD.into()).await;
    refused!(result, FlowError::Throttled { .. });
    let result = delete_account::delete_own(&site, &here, &one, &PASSWORD.into()).await;
    refused!(result, FlowError::Throttled { .. });
    assert_eq!(site.hasher.started(), before);
    profile::rename(&site, &here, &two, &new_names, &PASSWORD.into())
        .await
        .unwrap();
    site.pass(WINDOW).await;
    profile::rename(&site, &here, &one, &new_names, &PASSWORD.into())
        .await
        .unwrap();
}
