//! `GET /revocations`, and the logout that waits for those who follow.

mod waiting;

use std::time::{Duration, Instant};

use countersign_testkit::{Client, Request, Response, Server, TestDatabase};
use countersign_token::crypto::{b64, sha256};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::*;

/// Long enough never to be waited for.
const WAIT: u64 = 20;
/// What is at once, also where other tests compete for two processors.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Services only, so that the limits of strangers are not met.
fn closed() -> (Server, Client) {
    start(&[("revocation.require_auth", "always")])
}

fn feed(client: &Client, query: &str) -> Request {
    client.get(&format!("/revocations?{query}"))
}

/// As a service: what comes after `after`, waiting or not.
async fn ask(client: &Client, credentials: &str, query: &str) -> Value {
    let request = feed(client, query).header("authorization", credentials);
    request.send().await.expect(200).json()
}

fn seq(answer: &Value) -> i64 {
    answer["seq"].as_i64().unwrap()
}

fn floors(answer: &Value) -> &Vec<Value> {
    answer["floors"].as_array().unwrap()
}

/// As a follower in another language computes it.
fn subject(scope: &str, id: &str) -> String {
    b64(&sha256(format!("{scope}:{id}").as_bytes())[..16])
}

/// Sends it in the background; it waits, as far as a client can know.
async fn hold(request: Request) -> JoinHandle<(Response, Instant)> {
    let poll = tokio::spawn(async move { (request.send().await, Instant::now()) });
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(!poll.is_finished(), "answered at once: {:?}", poll.await);
    poll
}

#[track_caller]
fn asks_for_basic(answer: &Response) {
    answer.refused(401, "invalid_client");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Basic "), "{answer:?}");
}

#[tokio::test]
async fn who_is_no_service_is_asked_for_basic() {
    let (server, client) = closed();
    let good = service(&server, "shop");
    let ada = newcomer(&client, "ada").await;
    let ask = |value: &str| feed(&client, "").header("authorization", value).send();
    asks_for_basic(&feed(&client, "").send().await);
    asks_for_basic(
        &feed(&client, "")
            .cookie(&format!("__Host-token={}", ada.access))
            .send()
            .await,
    );
    for bad in [
        basic("shop", "wrong"),
        basic("shop", ""),
        basic("", ""),
        basic("nobody", "wrong"),
        basic("Shop", "wrong"),
        basic("countersign", ""),
        basic("shop\0", "wrong"),
        basic("\u{fc}", "wrong"),
        format!("Bearer {}", ada.access),
        good.replace("Basic ", "Bearer "),
        good.replace("Basic ", ""),
        good.replace("Basic ", "Basic"),
        format!("{good}A"),
        format!("{good}, {good}"),
        "Basic".to_owned(),
        "Basic *".to_owned(),
        "Basic c2hvcA==".to_owned(),
        String::new(),
    ] {
        asks_for_basic(&ask(&bad).await);
    }
    let twice = feed(&client, "")
        .header("authorization", &good)
        .header("authorization", &good);
    asks_for_basic(&twice.send().await);
    ask(&good).await.expect(200);
    ask(&good.replace("Basic", "bASIC")).await.expect(200);
    let rotated = server.cli(&["client", "rotate", "shop", "--quiet"]);
    let new = basic("shop", rotated.stdout.trim());
    asks_for_basic(&ask(&good).await);
    ask(&new).await.expect(200);
    assert_eq!(server.cli(&["client", "remove", "shop"]).code, Some(0));
    asks_for_basic(&ask(&new).await);
}

#[tokio::test]
async fn on_loopback_nothing_is_asked_for_but_what_is_sent_must_be_right() {
    for required in ["auto", "never"] {
        let (_server, client) = start(&[("revocation.require_auth", required)]);
        feed(&client, "").send().await.expect(200);
        let wrong = feed(&client, "").header("authorization", basic("shop", "wrong"));
        asks_for_basic(&wrong.send().await);
    }
    let refused = set(home(), &[("revocation.require_auth", "perhaps")]).try_start();
    assert_eq!(refused.map(|_| ()).unwrap_err().code, Some(78));
}

#[tokio::test]
async fn parameters_that_are_none_are_refused_and_large_ones_bounded() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    let long = "x".repeat(65);
    for (bad, code) in [
        ("after=-1", "invalid_query"),
        ("after=x", "invalid_query"),
        ("after=", "invalid_query"),
        ("after=1.5", "invalid_query"),
        ("after=99999999999999999999", "invalid_query"),
        ("after=1&after=2", "invalid_query"),
        ("wait=-1", "invalid_query"),
        ("wait=soon", "invalid_query"),
        ("limit=-1", "invalid_query"),
        ("limit=1e3", "invalid_query"),
        ("lease=-1", "invalid_query"),
        ("lease=0&follower=a", "invalid_request"),
        ("lease=31&follower=a", "invalid_request"),
        ("lease=31", "invalid_request"),
        ("lease=9&follower=", "invalid_request"),
        (&format!("lease=9&follower={long}"), "invalid_request"),
    ] {
        let answer = feed(&client, bad)
            .header("authorization", &shop)
            .send()
            .await;
        answer.refused(400, code);
    }
    let all = ask(&client, &shop, "").await;
    for odd in [
        "after=0",
        "after=9223372036854775807&wait=20",
        "after=18446744073709551615&wait=18446744073709551615",
        "limit=0",
        "limit=18446744073709551615",
        "unknown=1",
        &format!("lease=30&follower={}", &long[1..]),
    ] {
        let answer = ask(&client, &shop, odd).await;
        assert_eq!(
            (&answer["seq"], &answer["floors"]),
            (&all["seq"], &json!([])),
            "{odd}"
        );
    }
    feed(&client, "")
        .header("authorization", &shop)
        .send()
        .await
        .expect(200);
    client
        .post("/revocations")
        .send()
        .await
        .refused(405, "method_not_allowed");
}

#[tokio::test]
async fn strangers_share_ten_bootstraps_a_minute_and_a_service_has_its_own() {
    let (server, client) = start(&[]);
    let shop = service(&server, "shop");
    let at = seq(&feed(&client, "").send().await.expect(200).json());
    for n in 1..10 {
        // From ahead of the log is the bootstrap too.
        let after = if n % 2 == 0 { 0 } else { i64::MAX };
        feed(&client, &format!("after={after}"))
            .send()
            .await
            .expect(200);
    }
    for query in ["", "after=0", "after=1", "after=9223372036854775807"] {
        let answer = feed(&client, query).send().await;
        answer.refused(429, "too_many_attempts");
        well_formed(&answer);
        assert!(
            answer
                .header("retry-after")
                .unwrap()
                .parse::<u64>()
                .unwrap()
                <= 60
        );
    }
    feed(&client, &format!("after={at}"))
        .send()
        .await
        .expect(200);
    for _ in 0..20 {
        ask(&client, &shop, "after=0").await;
    }
}

#[tokio::test]
async fn strangers_share_64_polls_and_never_displace_a_service() {
    let (server, client) = start(&[]);
    let shop = service(&server, "shop");
    let at = seq(&ask(&client, &shop, "").await);
    let waiting = format!("after={at}&wait={WAIT}");
    let hold_on = |query: String| {
        let client = client.clone();
        tokio::spawn(async move {
            loop {
                // Whoever looks below whether the places are taken takes one for a moment.
                match feed(&client, &query).send().await {
                    answer if answer.status == 503 => {}
                    answer => return answer,
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    let polls: Vec<_> = (0..64).map(|_| hold_on(waiting.clone())).collect();
    let now = format!("after={at}");
    soon("all 64 wait", || async {
        feed(&client, &now).send().await.status == 503
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let answer = feed(&client, &now).send().await;
    answer.refused(503, "busy");
    well_formed(&answer);
    // Turned away, it used up no bootstrap.
    for _ in 0..20 {
        feed(&client, "").send().await.refused(503, "busy");
    }
    ask(&client, &shop, &now).await;
    let named = hold(feed(&client, &waiting).header("authorization", &shop)).await;
    // Whoever hangs up makes room.
    for poll in polls.iter().take(2) {
        poll.abort();
    }
    soon("there is room", || async {
        feed(&client, &now).send().await.status == 200
    })
    .await;
    feed(&client, "").send().await.expect(200);
    let ada = newcomer(&client, "ada").await;
    logout(&client, &ada.access).await.expect(200);
    assert_eq!(floors(&named.await.unwrap().0.expect(200).json()).len(), 1);
    for poll in polls.into_iter().skip(2) {
        assert_eq!(floors(&poll.await.unwrap().expect(200).json()).len(), 1);
    }
}

#[tokio::test]
async fn every_end_of_a_login_is_told_with_the_subject_that_its_token_names() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    let boss = admin(&server, "boss").await;
    let ada = newcomer(&client, "ada").await;
    let again = login(&client, "ada").await;
    let claims = claims(&ada.access);
    let text = |name: &str| claims[name].as_str().unwrap();
    let before = ask(&client, &shop, "").await;
    assert_eq!(before["life"], 900);
    assert!(before["now"].as_i64().unwrap() >= claims["iat"].as_i64().unwrap());
    assert!(claims["rev"].as_i64().unwrap() <= seq(&before));

    logout(&client, &ada.access).await.expect(200);
    let path = format!("/admin/users/{}", text("sub"));
    let change = |body: Value| client.patch(&path).bearer(&boss.access).json(&body).send();
    change(json!({"roles": ["editor"]})).await.expect(200);
    let all = client
        .post("/logout")
        .json(&json!({"refresh_token": again.refresh, "all": true}));
    all.send().await.expect(200);
    assert_eq!(
        server.cli(&["client", "add", "gone", "--quiet"]).code,
        Some(0)
    );
    assert_eq!(server.cli(&["client", "remove", "gone"]).code, Some(0));
    assert_eq!(server.cli(&["session", "revoke", "--all"]).code, Some(0));

    let answer = ask(&client, &shop, &format!("after={}", seq(&before))).await;
    let told: Vec<_> = floors(&answer)
        .iter()
        .map(|floor| json!([floor["scope"], floor["subject"], floor["reason"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["session", subject("session", text("sid")), "revoked"]),
            json!(["user", subject("user", text("sub")), "superseded"]),
            json!(["user", subject("user", text("sub")), "revoked"]),
            json!(["client", subject("client", "gone"), "revoked"]),
            json!(["issuer", subject("issuer", text("iss")), "revoked"]),
        ]
    );
    assert_eq!(answer["more"], false);
    let mut last = seq(&before);
    for floor in floors(&answer) {
        assert!(seq(floor) > last && seq(floor) > claims["rev"].as_i64().unwrap());
        last = seq(floor);
        let early = before["now"].as_i64().unwrap() + 900 + 60;
        let late = answer["now"].as_i64().unwrap() + 1 + 900 + 60;
        assert!(
            (early..=late).contains(&floor["exp"].as_i64().unwrap()),
            "{floor}"
        );
        assert_eq!(floor.as_object().unwrap().len(), 5);
    }
    assert_eq!(seq(&answer), last);
    assert_eq!(answer.as_object().unwrap().len(), 6);
    // In pages it is the same.
    let (mut at, mut paged, mut more) = (seq(&before), Vec::new(), true);
    while more {
        let page = ask(&client, &shop, &format!("after={at}&limit=2&wait={WAIT}")).await;
        more = page["more"] == true;
        paged.extend(floors(&page).clone());
        at = seq(&page);
        assert_eq!(at, seq(paged.last().unwrap()));
    }
    assert_eq!((&paged, at), (floors(&answer), last));
    // Nothing is kept by whoever is in between.
    let raw = feed(&client, "")
        .header("authorization", &shop)
        .send()
        .await;
    assert_eq!(raw.header("cache-control").as_deref(), Some("no-store"));
}
