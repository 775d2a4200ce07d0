//! `kill -9`, again and again, with writers at work: what was acknowledged is there afterwards.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_testkit::{Client, Home, TestDatabase};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::*;

const ROUNDS: usize = 10;
const WRITERS: usize = 6;

/// What the server has said yes to.
#[derive(Default)]
struct Acknowledged {
    names: Vec<String>,
    /// Signed out for good.
    ended: Vec<Login>,
    /// Still signed in, with the last refresh token that was handed out.
    alive: Vec<Login>,
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_on_sqlite() {
    kill_and_check(home()).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_on_postgres() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    kill_and_check(home().database(&database)).await;
}

async fn kill_and_check(home: Home) {
    let mut server = home.start();
    let client = server.client();
    let count = Arc::new(AtomicUsize::new(0));
    let (mut registered, mut ended, mut rotated) = (0, 0, 0);
    for round in 0..ROUNDS {
        let seen = Arc::new(Mutex::new(Acknowledged::default()));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            writers.spawn(write(client.clone(), Arc::clone(&seen), Arc::clone(&count)));
        }
        // Another moment each time.
        tokio::time::sleep(Duration::from_millis(150 + 37 * round as u64)).await;
        server.kill9();
        while writers.join_next().await.is_some() {}
        server.restart();
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        registered += seen.names.len();
        ended += seen.ended.len();
        rotated += seen.alive.len();
        for name in seen.names {
            let body = json!({"username": name, "password": PASSWORD});
            let answer = client.post("/register").json(&body).send().await;
            answer.refused(400, "username_taken");
            client.post("/login").json(&body).send().await.expect(200);
        }
        for dead in &seen.ended {
            protected(&client, &dead.access)
                .await
                .refused(401, "token_revoked");
            refresh(&client, &dead.refresh)
                .await
                .refused(401, "refresh_invalid");
        }
        for login in &seen.alive {
            // A rotation that was lost would make the successor a token from the future: theft.
            refresh(&client, &login.refresh).await.expect(200);
            protected(&client, &login.access).await.expect(200);
        }
    }
    assert!(
        registered >= ROUNDS && ended >= ROUNDS && rotated >= ROUNDS,
        "{registered} {ended} {rotated}"
    );
}

/// Registers, signs in, refreshes, signs out, until the server is gone; notes each yes, and takes
/// back what is uncertain because its answer never came.
async fn write(client: Client, seen: Arc<Mutex<Acknowledged>>, count: Arc<AtomicUsize>) {
    loop {
        let name = format!("w{}", count.fetch_add(1, Ordering::SeqCst));
        let body = json!({"username": name, "password": PASSWORD});
        let Ok(answer) = client.post("/register").json(&body).try_send().await else {
            return;
        };
        answer.expect(201);
        seen.lock().unwrap().names.push(name);
        let Ok(answer) = client.post("/login").json(&body).try_send().await else {
            return;
        };
        let mut login = Login::from(&answer.expect(200));
        let mut lost = false;
        for _ in 0..2 {
            let body = json!({"refresh_token": login.refresh});
            match client.post("/refresh").json(&body).try_send().await {
                Ok(answer) => login = Login::from(&answer.expect(200)),
                // Whether or not it was rotated: within the grace the old one is still good.
                Err(_) => lost = true,
            }
        }
        if lost || count.load(Ordering::SeqCst).is_multiple_of(2) {
            seen.lock().unwrap().alive.push(login);
            if lost {
                return;
            }
            continue;
        }
        match client
            .post("/logout")
            .bearer(&login.access)
            .try_send()
            .await
        {
            Ok(answer) => {
                answer.expect(200);
                seen.lock().unwrap().ended.push(login);
            }
            // It may have ended, or not: nothing was promised.
            Err(_) => return,
        }
    }
}
