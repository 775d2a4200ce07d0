//! Two servers on one PostgreSQL, and what is answered when it is gone. Seed rows 64, 65, 107.

use std::time::{Duration, Instant};

use countersign_testkit::{Server, TestDatabase};
use serde_json::json;

use crate::support::*;

/// Two nodes behind one address, as a load balancer makes them.
fn nodes(database: &TestDatabase) -> [Server; 2] {
    [(); 2].map(|()| {
        set(
            home().database(database),
            &[("server.public_url", "http://localhost:5000")],
        )
        .start()
    })
}

#[tokio::test]
async fn what_one_node_issues_the_other_takes_and_what_one_ends_the_other_refuses() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let [one, two] = nodes(&database);
    let (a, b) = (one.client(), two.client());
    let ada = newcomer(&a, "ada").await;
    let other = login(&a, "ada").await;
    protected(&b, &ada.access).await.expect(200);
    let renewed = Login::from(&refresh(&b, &ada.refresh).await.expect(200));
    protected(&a, &renewed.access).await.expect(200);
    // A lost answer, asked for again at the other node.
    let again = Login::from(&refresh(&a, &ada.refresh).await.expect(200));
    assert_eq!(again.refresh, renewed.refresh);
    for round in 0..5 {
        let victim = login(&a, "ada").await;
        protected(&b, &victim.access).await.expect(200);
        let ended = Instant::now();
        logout(&a, &victim.access).await.expect(200);
        let acknowledged = Instant::now();
        // Whoever acts on the login's state asks the database, and refuses at once.
        b.get("/profile")
            .bearer(&victim.access)
            .send()
            .await
            .refused(401, "token_revoked");
        while protected(&b, &victim.access).await.status == 200 {
            assert!(
                acknowledged.elapsed() < Duration::from_secs(2),
                "round {round}"
            );
        }
        let took = acknowledged.elapsed();
        assert!(
            took < Duration::from_millis(if busy() { 500 } else { 100 }),
            "round {round}: {took:?} after {:?}",
            ended.elapsed()
        );
    }
    protected(&b, &other.access).await.expect(200);
    let cookie = login_in(&a, "ada", "session")
        .await
        .cookie("__Host-sessionId")
        .unwrap();
    let cookie = format!("__Host-sessionId={}", cookie.value);
    b.get("/profile").cookie(&cookie).send().await.expect(200);
    a.post("/logout").cookie(&cookie).send().await.expect(200);
    b.get("/profile")
        .cookie(&cookie)
        .send()
        .await
        .refused(401, "session_invalid");
}

/// Whether other tests compete for the processor, so that a promise of 100 ms cannot be measured.
fn busy() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let one_minute = load
        .split(' ')
        .next()
        .and_then(|load| load.parse::<f64>().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    one_minute.is_none_or(|load| load > cores as f64)
}

#[tokio::test]
async fn two_administrators_who_demote_each_other_through_two_nodes_leave_one() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let [one, two] = nodes(&database);
    for round in 0..3 {
        let names = [format!("a{round}"), format!("b{round}")];
        let mut tokens = Vec::new();
        for name in &names {
            let user = register(&one.client(), name).await;
            make_admin(database.url(), user["id"].as_str().unwrap()).await;
            tokens.push(login(&one.client(), name).await.access);
        }
        let demote = |server: &Server, who: &str, by: &str| {
            let path = format!("/admin/users/{}", claims(who)["sub"].as_str().unwrap());
            tokio::spawn(
                server
                    .client()
                    .patch(&path)
                    .bearer(by)
                    .json(&json!({"roles": []}))
                    .send(),
            )
        };
        let (x, y) = (
            demote(&one, &tokens[1], &tokens[0]),
            demote(&two, &tokens[0], &tokens[1]),
        );
        let (x, y) = (x.await.unwrap(), y.await.unwrap());
        assert!(x.status == 200 || y.status == 200, "{x:?} {y:?}");
        let mut left = Vec::new();
        for name in &names {
            let token = login(&one.client(), name).await.access;
            if one
                .client()
                .get("/admin/users")
                .bearer(&token)
                .send()
                .await
                .status
                == 200
            {
                left.push(token);
            }
        }
        assert_eq!(left.len(), 1, "{x:?} {y:?}");
        // The next round needs this one to be no administrator: two new ones, then this one goes.
        let keeper = register(&one.client(), &format!("k{round}")).await;
        make_admin(database.url(), keeper["id"].as_str().unwrap()).await;
        let path = format!("/admin/users/{}", claims(&left[0])["sub"].as_str().unwrap());
        one.client()
            .delete(&path)
            .bearer(&left[0])
            .send()
            .await
            .expect(204);
        let keeper_token = login(&one.client(), &format!("k{round}")).await.access;
        if round < 2 {
            // With no other administrator it could not go: that is what is tested.
            let own = format!(
                "/admin/users/{}",
                claims(&keeper_token)["sub"].as_str().unwrap()
            );
            one.client()
                .delete(&own)
                .bearer(&keeper_token)
                .send()
                .await
                .refused(409, "last_admin");
        }
        drop_role(&database, keeper["id"].as_str().unwrap()).await;
    }
}

async fn drop_role(database: &TestDatabase, user: &str) {
    use countersign_core::RoleSet;
    use countersign_store::{Db, Options, StoreError, users};
    let db = Db::open(&Options::new(database.url())).await.unwrap();
    let id = user.parse().unwrap();
    let written: Result<(), StoreError> = db
        .write(move |conn| {
            Box::pin(async move { users::set_roles(conn, id, &RoleSet::default()).await })
        })
        .await;
    written.unwrap();
    db.close().await;
}

#[tokio::test]
async fn twenty_tabs_at_two_nodes_go_on_with_one_successor() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let [one, two] = nodes(&database);
    let ada = newcomer(&one.client(), "ada").await;
    let tabs: Vec<_> = (0..20)
        .map(|n| {
            let client = if n % 2 == 0 {
                one.client()
            } else {
                two.client()
            };
            tokio::spawn(
                client
                    .post("/refresh")
                    .json(&json!({"refresh_token": ada.refresh}))
                    .send(),
            )
        })
        .collect();
    let mut successors = Vec::new();
    for tab in tabs {
        successors.push(Login::from(&tab.await.unwrap().expect(200)).refresh);
    }
    successors.sort();
    successors.dedup();
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn without_its_database_a_node_says_503_and_keeps_everybodys_credentials() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let server = home().database(&database).start();
    let client = server.client();
    let ada = newcomer(&client, "ada").await;
    let browser = client.jar();
    login_in(&browser, "ada", "cookie").await;
    drop(database);
    soon("readyz notices", || async {
        client.get("/readyz").send().await.status == 503
    })
    .await;
    let ready = client.get("/readyz").send().await;
    ready.refused(503, "not_ready");
    well_formed(&ready);
    client.get("/healthz").send().await.expect(200);
    // After a second it cannot know whom somebody signed out elsewhere.
    soon("stale", || async {
        protected(&client, &ada.access).await.status == 503
    })
    .await;
    let body = json!({"username": "ada", "password": PASSWORD});
    for request in [
        client.get("/protected").bearer(&ada.access),
        client.get("/profile").bearer(&ada.access),
        client.post("/login").json(&body),
        client.post("/logout").bearer(&ada.access),
        client
            .post("/refresh")
            .json(&json!({"refresh_token": ada.refresh})),
        client
            .post("/register")
            .json(&json!({"username": "bob", "password": PASSWORD})),
        browser.post("/refresh"),
    ] {
        let answer = request.send().await;
        answer.refused(503, "unavailable");
        well_formed(&answer);
    }
    assert!(
        browser.stored("__Host-refresh").is_some(),
        "a 503 must not sign anybody out"
    );
    // Keys and pages need no database.
    client
        .get("/.well-known/jwks.json")
        .send()
        .await
        .expect(200);
    let page = client.get("/").send().await.expect(200);
    assert!(page.text().contains("Not ready"));
}
