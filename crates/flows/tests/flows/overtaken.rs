//! What is overtaken by a revocation while it waits for a hash, by hand, on both engines.

use std::sync::mpsc::channel;
use std::time::Duration;

use countersign_core::Actor;
use countersign_flows::logout::Proof;
use countersign_flows::profile::NewNames;
use countersign_flows::{
    FlowError, Mode, Origin, admin, delete_account, password, profile, sessions,
};
use countersign_testkit::TestDatabase;
use countersign_token::Refusal;
use tokio::task::{spawn_blocking, yield_now};

use crate::site::{MINUTE, PASSWORD, Site, disabled, from, refresh_token, roles};

const NEXT: &str = "pear-harbour-42";

/// Runs `slow` until it has read what its decision rests on and waits for its first hash; lets
/// `quick` happen from beginning to end on another node; lets `slow` go on.
async fn overtaken<T>(
    site: &Site,
    slow: impl Future<Output = T> + Send + 'static,
    quick: impl AsyncFnOnce(&Site) + Send,
) -> T
where
    T: Send + 'static,
{
    // The one thread for blocking work is taken: no hash is made here until it is given back.
    let (release, wait) = channel::<()>();
    drop(spawn_blocking(move || wait.recv()));
    let begun = site.hasher.started();
    let slow = tokio::spawn(slow);
    while site.hasher.started() == begun {
        assert!(!slow.is_finished(), "it did not come to its hash");
        yield_now().await;
    }
    let paused_at = site.clock.now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .unwrap()
                .block_on(async { quick(&site.node().await).await });
        });
    });
    if site.clock.now() > paused_at {
        // As a server does in a task of its own: the request pauses, not the machine.
        site.look().await;
    }
    drop(release);
    slow.await.unwrap()
}

/// Runs a test on each engine, in a runtime whose hashes can be held up.
fn on_each(test: impl AsyncFn(Site)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        for place in TestDatabase::each().await {
            test(Site::on(place, |_| ()).await).await;
        }
    });
}

/// What happens to Ada while she does something.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meanwhile {
    PasswordSet,
    Disabled,
    DisabledAndEnabled,
    Deleted,
    SignedOutEverywhere,
    EverythingEnded,
    RolesChanged,
}

use Meanwhile::*;

async fn happen(node: &Site, what: Meanwhile) {
    let ada = admin::find(node, "ada").await.unwrap();
    let (cli, actor) = (Origin::operator(), Actor::Operator);
    match what {
        PasswordSet => password::set(node, &cli, ada.id, &NEXT.into(), actor).await,
        Disabled => node.change(&ada, disabled(true)).await.map(drop),
        DisabledAndEnabled => {
            node.change(&ada, disabled(true)).await.unwrap();
            node.change(&ada, disabled(false)).await.map(drop)
        }
        Deleted => delete_account::delete(node, &cli, ada.id, actor).await,
        SignedOutEverywhere => sessions::end_all_of_user(node, &cli, ada.id, actor).await,
        EverythingEnded => sessions::end_everything(node, &cli, actor).await,
        RolesChanged => node.change(&ada, roles(&["author"])).await.map(drop),
    }
    .unwrap();
}

/// Empties an installation for the next case.
async fn anew(site: &Site) {
    if let Ok(ada) = admin::find(site, "ada").await {
        let gone = delete_account::delete(site, &Origin::operator(), ada.id, Actor::Operator).await;
        gone.unwrap();
    }
    site.user("ada", &["editor"]).await;
}

#[test]
fn a_sign_in_that_is_overtaken_rests_on_what_is_true_after() {
    on_each(async |site| a_sign_in_is_overtaken(&site, Duration::ZERO).await);
}

#[test]
fn a_sign_in_that_pauses_for_a_minute_rests_on_what_is_true_after() {
    on_each(async |site| a_sign_in_is_overtaken(&site, MINUTE).await);
}

/// With so much time between reading `rev` and the change, and again before signing.
async fn a_sign_in_is_overtaken(site: &Site, pause: Duration) {
    for (what, is_let_in) in [
        (PasswordSet, false),
        (Disabled, false),
        (Deleted, false),
        (DisabledAndEnabled, true),
        (SignedOutEverywhere, true),
        (EverythingEnded, true),
        (RolesChanged, true),
    ] {
        anew(site).await;
        let signing_in = {
            let site = site.clone();
            async move { site.try_sign_in("ada", PASSWORD, Mode::Token).await }
        };
        let result = overtaken(site, signing_in, async |node| {
            node.pass(pause).await;
            happen(node, what).await;
            node.pass(pause).await;
        })
        .await;
        site.look().await;
        if !is_let_in {
            refused!(result, FlowError::InvalidCredentials);
            continue;
        }
        let held = result.unwrap();
        if what == RolesChanged {
            // It began before the change: the new roles in it are not proven to be.
            refused!(
                site.identify(&held).await,
                FlowError::Token(Refusal::Superseded)
            );
        } else {
            site.identify(&held).await.unwrap();
        }
        let next = site.refresh(&refresh_token(&held)).await.unwrap();
        site.identify(&next).await.unwrap();
        let roles = if what == RolesChanged {
            "author"
        } else {
            "editor"
        };
        assert_eq!(next.user.roles.to_words(), [roles]);
    }
}

#[test]
fn a_password_change_that_is_overtaken_by_the_end_of_its_session_is_lost() {
    on_each(async |site| {
        for (what, wins) in [
            (Some(PasswordSet), false),
            (Some(Disabled), false),
            (Some(DisabledAndEnabled), false),
            (Some(Deleted), false),
            (Some(SignedOutEverywhere), false),
            (Some(EverythingEnded), false),
            (None, false),
            (Some(RolesChanged), true),
        ] {
            anew(&site).await;
            let held = site.sign_in("ada", Mode::Token).await;
            let live = site.live(&held).await.unwrap();
            let changing = {
                let site = site.clone();
                async move {
                    let (old, new) = (PASSWORD.into(), "third-harbour-43".into());
                    password::change(&site, &from("::1"), &live, &old, &new).await
                }
            };
            let result = overtaken(&site, changing, async |node| match what {
                Some(what) => happen(node, what).await,
                // This one session, by its refresh token.
                None => node
                    .log_out(Proof::Refresh(refresh_token(&held)), false)
                    .await
                    .unwrap(),
            })
            .await;
            site.look().await;
            refused!(site.identify(&held).await, FlowError::Token(_));
            let third = site
                .try_sign_in("ada", "third-harbour-43", Mode::Token)
                .await;
            if wins {
                site.identify(&result.unwrap()).await.unwrap();
                third.unwrap();
            } else {
                refused!(result, FlowError::InvalidCredentials);
                refused!(third, FlowError::InvalidCredentials);
            }
        }
    });
}

#[test]
fn no_change_is_made_in_a_session_that_ended_meanwhile() {
    on_each(async |site| {
        for (what, wins) in [
            (PasswordSet, false),
            (Disabled, false),
            (SignedOutEverywhere, false),
            (EverythingEnded, false),
            (RolesChanged, true),
        ] {
            for delete in [false, true] {
                anew(&site).await;
                let held = site.sign_in("ada", Mode::Token).await;
                let live = site.live(&held).await.unwrap();
                let changing = {
                    let site = site.clone();
                    async move {
                        if delete {
                            let password = PASSWORD.into();
                            return delete_account::delete_own(
                                &site,
                                &from("::1"),
                                &live,
                                &password,
                            )
                            .await;
                        }
                        let names = NewNames {
                            email: Some("thief@example.com".into()),
                            ..NewNames::default()
                        };
                        profile::rename(&site, &from("::1"), &live, &names, &PASSWORD.into())
                            .await
                            .map(drop)
                    }
                };
                let result =
                    overtaken(&site, changing, async |node| happen(node, what).await).await;
                let ada = admin::find(&site, "ada").await;
                if wins {
                    result.unwrap();
                    assert_eq!(ada.is_err(), delete, "{what:?}");
                } else {
                    refused!(result, FlowError::InvalidCredentials);
                    assert_eq!(ada.unwrap().email, None, "{what:?}");
                }
            }
        }
    });
}
