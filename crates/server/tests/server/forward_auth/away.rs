//! Without Countersign nobody passes, and nobody is signed out for it either.

use std::process::Command;

use countersign_testkit::{Response, TestDatabase};

use super::proxy::{BOTH, World};
use crate::support::*;

/// 503 that any client can read.
#[track_caller]
fn wait_and_see(answer: &Response) {
    answer.refused(503, "unavailable");
    well_formed(answer);
    assert!(answer.cookies().is_empty(), "{answer:?}");
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
}

fn signal(name: &str, pid: u32) {
    let kill = format!("kill -s {name} {pid}");
    let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(sent.success());
}

/// Stops a process, and waits until it is: before that, it may answer once more.
async fn stop(pid: u32) {
    signal("STOP", pid);
    soon("it stands still", || async {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
        status.map_or(true, |status| status.contains("State:\tT"))
    })
    .await;
}

#[tokio::test]
async fn with_countersign_gone_or_hanging_nobody_passes_and_afterwards_everybody_as_before() {
    for kind in BOTH {
        let mut world = World::new(kind).await;
        let ada = newcomer(&world.server.client(), "ada").await;
        let ask = |world: &World| world.client.get("/admin?x").bearer(&ada.access);
        let note = |world: &World| world.client.post("/notes").bearer(&ada.access).body("x");
        let page = |world: &World| world.client.get("/").header("accept", "text/html");
        note(&world).send().await.expect(200);
        world.the_one();
        // It hangs: the socket takes connections, and nobody answers.
        stop(world.server.pid()).await;
        let (one, two, three) =
            tokio::join!(ask(&world).send(), note(&world).send(), page(&world).send());
        signal("CONT", world.server.pid());
        for answer in [one, two, three] {
            wait_and_see(&answer);
        }
        world.untouched();
        world.server.kill9();
        for request in [ask(&world), note(&world), page(&world)] {
            wait_and_see(&request.send().await);
        }
        world.untouched();
        world.server.restart();
        soon("it passes again", || async {
            note(&world).send().await.status == 200
        })
        .await;
    }
}

#[tokio::test]
async fn what_countersign_cannot_know_just_now_is_refused_with_the_time_to_wait() {
    for kind in BOTH {
        let Some(database) = TestDatabase::postgres().await else {
            return;
        };
        let world = World::with(kind, home().database(&database)).await;
        let ada = newcomer(&world.server.client(), "ada").await;
        let browser = world.client.jar();
        login_in(&browser, "ada", "session").await;
        browser.get("/").send().await.expect(200);
        world.the_one();
        drop(database);
        let ask = || world.client.get("/notes").bearer(&ada.access).send();
        soon("stale", || async { ask().await.status == 503 }).await;
        world.seen();
        wait_and_see(&ask().await);
        wait_and_see(
            &browser
                .get("/notes")
                .header("accept", "text/html")
                .send()
                .await,
        );
        world.untouched();
        // The page says it in words, and keeps the cookie.
        let page = browser
            .get("/sign-in?return_to=/notes")
            .send()
            .await
            .expect(503);
        assert!(page.header("retry-after").is_some() && page.text().contains("in a moment"));
        assert!(page.cookies().is_empty());
    }
}
