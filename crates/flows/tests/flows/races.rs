//! Two at once, on both engines, by numbers.

use std::collections::HashSet;

use countersign_core::{Actor, RefreshToken};
use countersign_flows::admin::Change;
use countersign_flows::logout::Proof;
use countersign_flows::profile::NewNames;
use countersign_flows::{
    FlowError, Mode, Origin, SignedIn, delete_account, password, profile, register, sessions,
};
use countersign_store::grants;
use countersign_token::Refusal;
use tokio::task::JoinHandle;

use crate::site::{PASSWORD, Site, account, credential, disabled, from, refresh_token, roles};

/// Waits for all of them.
async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_refreshes_of_one_token_get_one_successor() {
    for site in Site::each().await {
        site.user("ada", &[]).await;
        let nodes = [site.clone(), site.node().await];
        let token = refresh_token(&site.sign_in("ada", Mode::Token).await);
        let tasks = (0..20).map(|at| {
            let (site, token) = (nodes[at % 2].clone(), token.clone());
            tokio::spawn(async move { site.refresh(&token).await })
        });
        let held: Vec<SignedIn> = all(tasks.collect())
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let successors: HashSet<_> = held.iter().map(refresh_token).collect();
        assert_eq!(successors.len(), 1);
        for held in &held {
            site.identify(held).await.unwrap();
        }
        let id = RefreshToken::parse(&token).unwrap().grant_id();
        let mut reader = site.db.read().await.unwrap();
        let row = grants::by_id(&mut reader.conn(), id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.grant.counter, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_beside_a_logout_brings_nothing_that_lives_after_it() {
    for site in Site::each().await {
        let ada = site.user("ada", &[]).await;
        let other = site.node().await;
        for round in 0..30 {
            let held = site.sign_in("ada", Mode::Token).await;
            let refreshing = {
                let (other, token) = (other.clone(), refresh_token(&held));
                tokio::spawn(async move { other.refresh(&token).await })
            };
            let (cli, actor) = (Origin::operator(), Actor::Operator);
            match round % 3 {
                0 => site
                    .log_out(Proof::Credential(credential(&held)), false)
                    .await
                    .unwrap(),
                1 => sessions::end_all_of_user(&site, &cli, ada.id, actor)
                    .await
                    .unwrap(),
                _ => sessions::end_everything(&site, &cli, actor).await.unwrap(),
            }
            let refreshed = refreshing.await.unwrap();
            other.look().await;
            let held = [Some(held), refreshed.ok()];
            for held in held.iter().flatten() {
                for node in [&site, &other] {
                    refused!(
                        node.identify(held).await,
                        FlowError::Token(Refusal::Revoked)
                    );
                    refused!(
                        node.refresh(&refresh_token(held)).await,
                        FlowError::RefreshInvalid
                    );
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_password_changes_one_wins() {
    for site in Site::each().await {
        site.user("ada", &[]).await;
        let mut present = PASSWORD.to_owned();
        for round in 0..5 {
            let mut lives = Vec::new();
            for _ in 0..2 {
                let held = site
                    .try_sign_in("ada", &present, Mode::Token)
                    .await
                    .unwrap();
                lives.push(site.live(&held).await.unwrap());
            }
            let tasks = lives.into_iter().enumerate().map(|(at, live)| {
                let (site, present) = (site.clone(), present.clone());
                tokio::spawn(async move {
                    let new = format!("harbour-{round}-{at}");
                    let (old, next) = (present.into(), new.clone().into());
                    let result = password::change(&site, &from("::1"), &live, &old, &next).await;
                    (new, result)
                })
            });
            let tasks = tasks.collect();
            let (won, lost): (Vec<_>, Vec<_>) = all(tasks)
                .await
                .into_iter()
                .partition(|(_, result)| result.is_ok());
            assert_eq!((won.len(), lost.len()), (1, 1));
            let (lost, result) = lost.into_iter().next().unwrap();
            refused!(result, FlowError::InvalidCredentials);
            refused!(
                site.try_sign_in("ada", &lost, Mode::Token).await,
                FlowError::InvalidCredentials
            );
            let (won, result) = won.into_iter().next().unwrap();
            site.identify(&result.unwrap()).await.unwrap();
            present = won;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_administrators_who_remove_each_other_one_stays() {
    for site in Site::each().await {
        let nodes = [site.clone(), site.node().await];
        let mut survivor = site.user("admin", &["admin"]).await;
        for round in 0..18 {
            let newcomer = site.user(&format!("admin{round}"), &["admin"]).await;
            let pair = [survivor, newcomer];
            let tasks = [round % 3, round / 3 % 3]
                .into_iter()
                .enumerate()
                .map(|(at, way)| {
                    let (node, user) = (nodes[at].clone(), pair[at].clone());
                    tokio::spawn(async move {
                        let cli = Origin::operator();
                        match way {
                            0 => node.change(&user, roles(&[])).await.map(drop),
                            1 => node.change(&user, disabled(true)).await.map(drop),
                            _ => {
                                delete_account::delete(&node, &cli, user.id, Actor::Operator).await
                            }
                        }
                    })
                });
            let results = all(tasks.collect()).await;
            let [one, two] = pair;
            survivor = match &results[..] {
                [Ok(()), Err(FlowError::LastAdmin)] => two,
                [Err(FlowError::LastAdmin), Ok(())] => one,
                other => panic!("{other:?}"),
            };
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_made_administrator_while_being_deleted_is_counted() {
    for site in Site::each().await {
        let other = site.node().await;
        let mut boss = site.user("boss", &["admin"]).await;
        for round in 0..20 {
            let heir = site.user(&format!("heir{round}"), &[]).await;
            let deleting = {
                let (other, id) = (other.clone(), heir.id);
                tokio::spawn(async move {
                    delete_account::delete(&other, &Origin::operator(), id, Actor::Operator).await
                })
            };
            // Any of these may come too late or be refused.
            let _ = site.change(&heir, roles(&["admin"])).await;
            let _ = site.change(&boss, roles(&[])).await;
            let _ = deleting.await.unwrap();
            let mut admins = Vec::new();
            for user in [&boss, &heir] {
                admins.extend(profile::read(&site, user.id).await.ok());
            }
            admins.retain(|user| user.roles.is_admin());
            boss = admins.pop().unwrap();
            assert!(admins.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_given_to_one_of_those_who_want_it() {
    for site in Site::each().await {
        for round in 0..5 {
            let tasks = (0..4).map(|_| {
                let site = site.clone();
                let account = account(&format!("ada{round}"), PASSWORD);
                tokio::spawn(async move { register::register(&site, &from("::1"), account).await })
            });
            let (made, refused): (Vec<_>, Vec<_>) = all(tasks.collect())
                .await
                .into_iter()
                .partition(Result::is_ok);
            assert_eq!((made.len(), refused.len()), (1, 3));
            for result in refused {
                refused!(result, FlowError::NameTaken(_));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_swap_names_keep_one_each() {
    for site in Site::each().await {
        let mut names = ["ada".to_owned(), "eve".to_owned()];
        let users = [site.user("ada", &[]).await, site.user("eve", &[]).await];
        for _ in 0..5 {
            let tasks = [0, 1].map(|at| {
                let (site, user, name) = (site.clone(), users[at].clone(), names[1 - at].clone());
                tokio::spawn(async move {
                    let names = NewNames {
                        username: Some(name),
                        email: None,
                    };
                    site.change(
                        &user,
                        Change {
                            names,
                            ..Change::default()
                        },
                    )
                    .await
                })
            });
            for result in all(tasks.into()).await {
                if let Err(error) = result {
                    refused!(Err::<(), _>(error), FlowError::NameTaken(_));
                }
            }
            for (user, name) in users.iter().zip(&mut names) {
                *name = profile::read(&site, user.id)
                    .await
                    .unwrap()
                    .username
                    .unwrap();
            }
            assert_ne!(names[0], names[1]);
        }
    }
}
