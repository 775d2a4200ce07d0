//! The throttle, by addresses as proxies report them, and which of them are believed.

use countersign_testkit::{Client, Response};
use serde_json::json;

use crate::support::*;

const BEHIND: (&str, &str) = ("server.trusted_proxies", "127.0.0.1");

async fn try_login(client: &Client, from: &str, name: &str, password: &str) -> Response {
    let body = json!({"username": name, "password": password});
    client
        .post("/login")
        .header("x-forwarded-for", from)
        .json(&body)
        .send()
        .await
}

#[tokio::test]
async fn after_ten_failures_the_pair_is_shut_and_its_owner_elsewhere_is_not() {
    let (mut server, client) = start(&[BEHIND]);
    register(&client, "ada").await;
    for name in ["ada", "nobody"] {
        for _ in 0..10 {
            try_login(&client, "192.0.2.1", name, "wrong")
                .await
                .refused(401, "invalid_credentials");
        }
        // The right password, too: who guesses must not learn that the guess was right.
        let answer = try_login(&client, "192.0.2.1", name, PASSWORD).await;
        answer.refused(429, "too_many_attempts");
        well_formed(&answer);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((800..=900).contains(&wait), "{wait}");
    }
    try_login(&client, "192.0.2.1", "ADA", "wrong")
        .await
        .refused(429, "too_many_attempts");
    let live = Login::from(
        &try_login(&client, "198.51.100.7", "ada", PASSWORD)
            .await
            .expect(200),
    );
    // That success cleared its own pair only, and counters outlive the process, however it ends.
    try_login(&client, "192.0.2.1", "ada", PASSWORD)
        .await
        .refused(429, "too_many_attempts");
    server.restart();
    try_login(&client, "192.0.2.1", "ada", PASSWORD)
        .await
        .refused(429, "too_many_attempts");
    protected(&client, &live.access).await.expect(200);
}

#[tokio::test]
async fn a_success_clears_the_failures_of_its_pair() {
    let (_server, client) = start(&[BEHIND, ("limits.login_failures", "3")]);
    register(&client, "ada").await;
    for _ in 0..3 {
        for _ in 0..2 {
            try_login(&client, "192.0.2.1", "ada", "wrong")
                .await
                .refused(401, "invalid_credentials");
        }
        try_login(&client, "192.0.2.1", "ada", PASSWORD)
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn one_address_has_a_limit_over_all_names_and_an_ipv6_network_is_one_address() {
    let (_server, client) = start(&[BEHIND, ("limits.login_failures_per_address", "5")]);
    register(&client, "ada").await;
    for n in 0..5 {
        let from = format!("2001:db8:1:2::{n}");
        try_login(&client, &from, &format!("name{n}"), "wrong")
            .await
            .refused(401, "invalid_credentials");
    }
    try_login(&client, "2001:db8:1:2:9:9:9:9", "ada", PASSWORD)
        .await
        .refused(429, "too_many_attempts");
    try_login(&client, "2001:db8:1:3::1", "ada", PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_name_under_attack_from_everywhere_leaves_each_address_one_try() {
    let (_server, client) = start(&[BEHIND]);
    register(&client, "ada").await;
    for n in 0..100 {
        let from = format!("203.0.113.{n}");
        try_login(&client, &from, "ada", "wrong")
            .await
            .refused(401, "invalid_credentials");
    }
    try_login(&client, "192.0.2.1", "ada", "wrong")
        .await
        .refused(401, "invalid_credentials");
    try_login(&client, "192.0.2.1", "ada", PASSWORD)
        .await
        .refused(429, "too_many_attempts");
    // The owner, from where nobody guessed.
    try_login(&client, "192.0.2.2", "ada", PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn registrations_of_one_address_are_limited_refusals_included() {
    let (_server, client) = start(&[BEHIND, ("limits.login_failures_per_address", "6")]);
    let register = |from: &str, name: &str| {
        let body = json!({"username": name, "password": PASSWORD});
        client
            .post("/register")
            .header("x-forwarded-for", from)
            .json(&body)
            .send()
    };
    for (n, status) in [201, 201, 400, 400, 400, 400].into_iter().enumerate() {
        register("192.0.2.1", ["a", "b", "a", "a", "b", "a"][n])
            .await
            .expect(status);
    }
    let answer = register("192.0.2.1", "c").await;
    answer.refused(429, "too_many_attempts");
    well_formed(&answer);
    register("192.0.2.2", "c").await.expect(201);
}

#[tokio::test]
async fn guesses_at_once_count_as_if_one_by_one() {
    let (_server, client) = start(&[BEHIND]);
    register(&client, "ada").await;
    let guesses: Vec<_> = (0..30)
        .map(|n| {
            let body = json!({"username": "ada", "password": format!("guess-{n}")});
            tokio::spawn(
                client
                    .post("/login")
                    .header("x-forwarded-for", "192.0.2.1")
                    .json(&body)
                    .send(),
            )
        })
        .collect();
    let mut answered = 0;
    for guess in guesses {
        let answer = guess.await.unwrap();
        match answer.status {
            401 => answered += 1,
            _ => answer.refused(429, "too_many_attempts"),
        }
    }
    assert_eq!(answered, 10);
}

/// A client can write anything into the header: only what a trusted proxy appended counts.
#[tokio::test]
async fn a_forwarding_header_is_believed_from_trusted_proxies_only_and_from_the_right() {
    let (_server, client) = start(&[("limits.login_failures_per_address", "2")]);
    register(&client, "ada").await;
    // Nobody is trusted: loopback it is, which has no limit by address.
    for n in 0..6 {
        try_login(&client, "192.0.2.1", &format!("n{n}"), "wrong")
            .await
            .refused(401, "invalid_credentials");
    }
    let (_server, client) = start(&[
        ("server.trusted_proxies", "127.0.0.1,10.0.0.0/8"),
        ("limits.login_failures_per_address", "2"),
    ]);
    register(&client, "ada").await;
    for (n, from) in ["1.1.1.1, 192.0.2.1", "8.8.8.8, 192.0.2.1, 10.1.2.3"]
        .iter()
        .enumerate()
    {
        try_login(&client, from, &format!("n{n}"), "wrong")
            .await
            .refused(401, "invalid_credentials");
    }
    try_login(&client, "9.9.9.9,192.0.2.1", "ada", PASSWORD)
        .await
        .refused(429, "too_many_attempts");
    for odd in [
        "",
        ",",
        "unknown",
        "192.0.2.1.2",
        "\u{e4}",
        "[2001:db8::1]:443",
        "192.0.2.77:80",
        &"1.1.1.1,".repeat(500),
    ] {
        try_login(&client, odd, "ada", PASSWORD).await.expect(200);
    }
}
