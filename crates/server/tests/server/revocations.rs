//! `GET /revocations`, and the logout that waits for those who follow.

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

/// A service's credentials, as a header's value.
fn service(server: &Server, name: &str) -> String {
    let added = server.cli(&["client", "add", name, "--kind", "service", "--quiet"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    basic(name, added.stdout.trim())
}

/// RFC 7617, by hand: standard base64 with padding.
fn basic(name: &str, secret: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{name}:{secret}");
    let encoded: String = text
        .as_bytes()
        .chunks(3)
        .flat_map(|chunk| {
            let [a, b, c] = [0, 1, 2].map(|n| chunk.get(n).copied().unwrap_or(0));
            let bits = u32::from_be_bytes([0, a, b, c]);
            (0..4).map(move |n| match n <= chunk.len() {
                true => char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]),
                false => '=',
            })
        })
        .collect();
    format!("Basic {encoded}")
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
    for query in ["", "after=0", "after=9223372036854775807"] {
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

#[tokio::test]
async fn a_waiting_poll_is_answered_within_milliseconds_of_a_logout_or_after_its_wait() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    register(&client, "ada").await;
    let mut at = seq(&ask(&client, &shop, "").await);
    let began = Instant::now();
    let none = ask(&client, &shop, &format!("after={at}&wait=1")).await;
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        (seq(&none), floors(&none).len(), none["more"] == false),
        (at, 0, true)
    );
    let mut took = Vec::new();
    for _ in 0..20 {
        let ada = login(&client, "ada").await;
        let request = feed(&client, &format!("after={at}&wait={WAIT}"));
        let poll = hold(request.header("authorization", &shop)).await;
        logout(&client, &ada.access).await.expect(200);
        let acknowledged = Instant::now();
        let (answer, answered) = poll.await.unwrap();
        let answer = answer.expect(200).json();
        assert_eq!(floors(&answer).len(), 1);
        at = seq(&answer);
        took.push(answered.saturating_duration_since(acknowledged));
    }
    took.sort();
    println!(
        "from the answer to a logout to that of the poll: p50 {:?}, worst {:?}",
        took[10], took[19]
    );
    assert!(
        took[10] < Duration::from_millis(if busy() { 500 } else { 50 }),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_cursor_from_ahead_of_the_log_begins_anew_and_is_warned_of() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    let ada = newcomer(&client, "ada").await;
    logout(&client, &ada.access).await.expect(200);
    let all = ask(&client, &shop, "after=0").await;
    let ahead = seq(&all) + 60_000_000;
    let answer = ask(&client, &shop, &format!("after={ahead}&wait={WAIT}")).await;
    assert_eq!(
        (&answer["seq"], &answer["floors"]),
        (&all["seq"], &all["floors"])
    );
    assert_eq!(floors(&answer).len(), 1);
    server.wait_for_log("ahead of the log");
    assert_eq!(
        ask(&client, &shop, "").await["seq"],
        all["seq"],
        "a claim changes nothing"
    );
}

#[tokio::test]
async fn a_command_beside_the_server_reaches_those_who_wait() {
    let (mut server, client) = closed();
    let shop = service(&server, "shop");
    let mut worst = Duration::ZERO;
    register(&client, "ada").await;
    for _ in 0..3 {
        let ada = login(&client, "ada").await;
        let sid = claims(&ada.access)["sid"].as_str().unwrap().to_owned();
        let (follower, credentials) = (client.clone(), shop.clone());
        let mut at = seq(&ask(&client, &shop, "").await);
        let poll = tokio::spawn(async move {
            loop {
                // A command moves the log on as it starts, so that the first answer may be empty.
                let query = format!("after={at}&wait={WAIT}");
                let answer = ask(&follower, &credentials, &query).await;
                match floors(&answer).first() {
                    Some(floor) => return (floor["subject"].clone(), Instant::now()),
                    None => at = seq(&answer),
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(60)).await;
        let id = sid.clone();
        let command = tokio::task::spawn_blocking(move || {
            let exit = server.cli(&["session", "revoke", &id]);
            (server, exit, Instant::now())
        });
        let (back, exit, ended) = command.await.unwrap();
        server = back;
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let (told, answered) = poll.await.unwrap();
        assert_eq!(told, subject("session", &sid));
        worst = worst.max(answered.saturating_duration_since(ended));
    }
    println!("from the end of the command to the answer of the poll: {worst:?} at worst");
    assert!(
        worst < Duration::from_millis(if busy() { 500 } else { 100 }),
        "{worst:?}"
    );
}

#[tokio::test]
async fn new_keys_are_told_to_those_who_wait_and_are_there_by_then() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    admin(&server, "boss").await;
    let kids = async || -> Vec<String> {
        let set = client
            .get("/.well-known/jwks.json")
            .send()
            .await
            .expect(200)
            .json();
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut known = ask(&client, &shop, "").await;
    for waits in [true, false] {
        for method in ["POST", "DELETE"] {
            let query = format!("after={}&wait={WAIT}", seq(&known));
            let request = feed(&client, &query).header("authorization", &shop);
            let poll = match waits {
                true => Some(hold(request.clone()).await),
                false => None,
            };
            let before = kids().await;
            let path = match method {
                "POST" => "/admin/keys/rotate".to_owned(),
                _ => format!("/admin/keys/{}", before[0]),
            };
            let boss = login(&client, "boss").await;
            let done = client
                .request(method, &path)
                .bearer(&boss.access)
                .send()
                .await;
            assert!(done.status < 300, "{done:?}");
            let began = Instant::now();
            let answer = match poll {
                Some(poll) => poll.await.unwrap().0,
                None => request.send().await,
            };
            assert!(began.elapsed() < AT_ONCE, "{method} {waits}");
            let answer = answer.expect(200).json();
            assert_ne!(answer["keys"], known["keys"], "{method} {waits}");
            assert_eq!(floors(&answer).len(), 0);
            let now = kids().await;
            match method {
                "POST" => assert_eq!((now.len(), &now[..1]), (2, &before[..1])),
                _ => assert!(now.len() == 1 && !now.contains(&before[0])),
            }
            known = answer;
        }
    }
}

#[tokio::test]
async fn a_logout_says_whether_those_who_follow_know() {
    let (server, client) = closed();
    let credentials = [service(&server, "shop"), service(&server, "cart")];
    register(&client, "ada").await;
    let end = async |prefer: Option<&str>| {
        let ada = login(&client, "ada").await;
        let mut request = client.post("/logout").bearer(&ada.access);
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        let began = Instant::now();
        let body = request.send().await.expect(200).json();
        (body.get("propagated").cloned(), began.elapsed())
    };
    for none in [
        None,
        Some("respond-async"),
        Some("wait"),
        Some("wait=-1"),
        Some("wait=x"),
        Some("waits=1"),
    ] {
        assert_eq!(end(none).await.0, None, "{none:?}");
    }
    for prefer in ["wait=5", "respond-async, Wait = 5"] {
        let (propagated, took) = end(Some(prefer)).await;
        assert_eq!(propagated, Some(json!(true)), "nobody follows");
        assert!(took < AT_ONCE);
    }
    // Those who do not say both who they are and for how long do not count.
    for query in ["", "follower=a", "lease=30"] {
        ask(&client, &credentials[0], query).await;
    }
    assert_eq!(end(Some("wait=1")).await.0, Some(json!(true)));

    // Two that follow: each asks again with what it was given.
    let follow = |credentials: String, lease: u64| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut at = 0;
            loop {
                let query = format!("after={at}&wait={WAIT}&follower=a&lease={lease}");
                at = seq(&ask(&client, &credentials, &query).await);
            }
        })
    };
    let followers = credentials
        .clone()
        .map(|credentials| follow(credentials, 30));
    for _ in 0..3 {
        let (propagated, took) = end(Some("wait=5")).await;
        assert_eq!(propagated, Some(json!(true)));
        println!("two followers know a logout, and it knows that, in {took:?}");
        assert!(took < AT_ONCE);
    }
    // One stays away: its lease must lapse first.
    followers[1].abort();
    let (propagated, took) = end(Some("wait=1")).await;
    assert_eq!(propagated, Some(json!(false)));
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert_eq!(end(Some("wait=0")).await.0, Some(json!(false)));
    let (propagated, took) = end(Some("wait=600")).await;
    assert_eq!(propagated, Some(json!(false)));
    assert!(
        (Duration::from_secs(5)..Duration::from_secs(8)).contains(&took),
        "{took:?}"
    );
    // It comes back with a short lease, and stays away for good.
    let again = follow(credentials[1].clone(), 1);
    assert_eq!(end(Some("wait=5")).await.0, Some(json!(true)));
    again.abort();
    let (propagated, took) = end(Some("wait=5")).await;
    assert_eq!(
        propagated,
        Some(json!(true)),
        "without a lease it lets nobody in"
    );
    assert!(took < Duration::from_secs(3), "{took:?}");
    followers[0].abort();
}

#[tokio::test]
async fn on_loopback_those_without_credentials_count_too() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let at = seq(&feed(&client, "follower=a&lease=30")
        .send()
        .await
        .expect(200)
        .json());
    feed(&client, &format!("after={at}&follower=a&lease=30"))
        .send()
        .await
        .expect(200);
    let request = client
        .post("/logout")
        .bearer(&ada.access)
        .header("prefer", "wait=0");
    assert_eq!(request.send().await.expect(200).json()["propagated"], false);
}

#[tokio::test]
async fn a_stopping_server_answers_those_who_wait_at_once() {
    let (server, client) = start(&[]);
    let at = seq(&feed(&client, "").send().await.expect(200).json());
    let mut polls = Vec::new();
    for _ in 0..20 {
        let request = feed(&client, &format!("after={at}&wait={WAIT}"));
        polls.push(tokio::spawn(request.send()));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(polls.iter().all(|poll| !poll.is_finished()));
    let began = Instant::now();
    let exit = tokio::task::spawn_blocking(move || server.terminate())
        .await
        .unwrap();
    let took = began.elapsed();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    for poll in polls {
        assert_eq!(seq(&poll.await.unwrap().expect(200).json()), at);
    }
    println!("a server with 20 waiting polls stops in {took:?}");
    assert!(
        took < Duration::from_secs(if busy() { 3 } else { 1 }),
        "{took:?}"
    );
}

fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn two_hundred_followers_cost_little_and_all_hear_of_a_logout() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    let ada = newcomer(&client, "ada").await;
    let at = seq(&ask(&client, &shop, "").await);
    let alone = resident_kib(&server);
    let polls: Vec<_> = (0..200)
        .map(|n| {
            let query = format!("after={at}&wait={WAIT}&follower={n}&lease=30");
            let request = feed(&client, &query).header("authorization", &shop);
            tokio::spawn(async move { (request.send().await, Instant::now()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert!(polls.iter().all(|poll| !poll.is_finished()));
    let followed = resident_kib(&server);
    let began = Instant::now();
    logout(&client, &ada.access).await.expect(200);
    let mut last = Duration::ZERO;
    for poll in polls {
        let (answer, answered) = poll.await.unwrap();
        assert_eq!(floors(&answer.expect(200).json()).len(), 1);
        last = last.max(answered.saturating_duration_since(began));
    }
    println!(
        "200 followers: {alone} KiB without, {followed} KiB with; the last heard of a logout after {last:?}"
    );
    assert!(followed < alone + 64 * 1_024 && last < AT_ONCE);
}

#[tokio::test]
async fn a_follower_of_one_node_hears_of_a_logout_at_another_and_none_is_promised_more() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let [one, two] = [(); 2].map(|()| {
        let settings = [
            ("server.public_url", "http://localhost:5000"),
            ("revocation.require_auth", "always"),
        ];
        set(home().database(&database), &settings).start()
    });
    let (a, b) = (one.client(), two.client());
    let shop = service(&one, "shop");
    register(&a, "ada").await;
    let mut at = seq(&ask(&a, &shop, "").await);
    let mut worst = Duration::ZERO;
    for _ in 0..5 {
        let ada = login(&a, "ada").await;
        let request = feed(&b, &format!("after={at}&wait={WAIT}&follower=a&lease=30"));
        let poll = hold(request.header("authorization", &shop)).await;
        let prefer = a
            .post("/logout")
            .bearer(&ada.access)
            .header("prefer", "wait=5");
        let body = prefer.send().await.expect(200).json();
        assert_eq!(body, json!({"message": "Logged out"}));
        let acknowledged = Instant::now();
        // Not waiting for its look: an answer rests on one begun after the question.
        let now = ask(&b, &shop, &format!("after={at}")).await;
        assert_eq!(floors(&now).len(), 1);
        let (answer, answered) = poll.await.unwrap();
        let answer = answer.expect(200).json();
        assert_eq!(answer["floors"], now["floors"]);
        worst = worst.max(answered.saturating_duration_since(acknowledged));
        at = seq(&answer);
    }
    println!("a poll at the other node is answered {worst:?} after the logout, at worst");
    assert!(
        worst < Duration::from_millis(if busy() { 500 } else { 100 }),
        "{worst:?}"
    );

    // And of keys: what the other node says of them is what it gives.
    let boss = register(&a, "boss").await;
    make_admin(database.url(), boss["id"].as_str().unwrap()).await;
    for _ in 0..5 {
        let kids = async |client: &Client| {
            let set = client
                .get("/.well-known/jwks.json")
                .send()
                .await
                .expect(200)
                .json();
            set["keys"][0]["kid"].as_str().unwrap().to_owned()
        };
        let stolen = kids(&a).await;
        let path = format!("/admin/keys/{stolen}");
        let boss = login(&a, "boss").await.access;
        a.request("DELETE", &path)
            .bearer(&boss)
            .send()
            .await
            .expect(204);
        assert_ne!(kids(&b).await, stolen, "a follower would keep a stolen key");
    }

    // Without its database a node answers nobody, whoever waits included.
    let at = seq(&ask(&b, &shop, "").await);
    let request = feed(&b, &format!("after={at}&wait=3"));
    let poll = hold(request.header("authorization", &shop)).await;
    drop(database);
    let answer = poll.await.unwrap().0;
    answer.refused(503, "unavailable");
    well_formed(&answer);
    let answer = feed(&b, "").header("authorization", &shop).send().await;
    answer.refused(503, "unavailable");
    well_formed(&answer);
}
