//! The cross-site rule, every combination of it. Seed row 80.

use countersign_testkit::Request;
use serde_json::json;

use crate::support::*;

const ALLOWED: &str = "https://app.example.com";

fn headers(request: Request, origin: &[&str], fetch_site: Option<&str>) -> Request {
    let request = origin
        .iter()
        .fold(request, |request, origin| request.header("origin", origin));
    match fetch_site {
        Some(site) => request.header("sec-fetch-site", site),
        None => request,
    }
}

/// Whether the rule lets such a request through, written down apart from the code.
fn lets_through(own: &str, origin: &[&str], fetch_site: Option<&str>) -> bool {
    match (origin, fetch_site) {
        ([_, _, ..], _) => false,
        ([one], _) if *one == ALLOWED => true,
        (_, Some(site)) => site == "same-origin" || site == "none",
        ([one], None) => *one == own,
        ([], None) => true,
    }
}

#[tokio::test]
async fn a_change_that_rides_on_a_cookie_or_sets_one_must_come_from_here_or_an_allowed_origin() {
    let (server, client) = start(&[("cors.origins", ALLOWED)]);
    register(&client, "ada").await;
    let own = server.url("");
    let other_port = "http://127.0.0.1:1";
    let origins: Vec<Vec<&str>> = vec![
        vec![],
        vec![&own],
        vec![ALLOWED],
        vec!["https://evil.example"],
        vec!["null"],
        vec![other_port],
        vec![&own, &own],
        vec![ALLOWED, "https://evil.example"],
        vec!["https://app.example.com.evil.example"],
        vec!["https://APP.example.com"],
        vec![""],
    ];
    let sites = [
        None,
        Some("same-origin"),
        Some("same-site"),
        Some("cross-site"),
        Some("none"),
        Some(""),
        Some("x"),
    ];
    for origin in &origins {
        for site in sites {
            let through = lets_through(&own, origin, site);
            for mode in ["token", "cookie", "session"] {
                let body = json!({"username": "ada", "password": PASSWORD, "mode": mode});
                let request = client.post("/login").json(&body);
                let answer = headers(request, origin, site).send().await;
                if through || mode == "token" {
                    // A token in a body is nothing that a browser would send by itself.
                    answer.expect(200);
                } else {
                    answer.refused(403, "cross_site_request");
                    assert!(answer.cookies().is_empty(), "{answer:?}");
                }
            }
            // What carries a cookie, whatever it is.
            let login = login_in(&client, "ada", "session").await;
            let cookie = format!(
                "__Host-sessionId={}",
                login.cookie("__Host-sessionId").unwrap().value
            );
            let answer = headers(client.post("/logout").cookie(&cookie), origin, site)
                .send()
                .await;
            if through {
                answer.expect(200);
            } else {
                answer.refused(403, "cross_site_request");
                assert!(answer.cookies().is_empty(), "{answer:?}");
                client
                    .get("/profile")
                    .cookie(&cookie)
                    .send()
                    .await
                    .expect(200);
            }
            // Nor may another site sign a visitor's browser out by an answer that deletes cookies.
            for path in ["/logout", "/refresh", "/users/logout"] {
                let answer = headers(client.post(path), origin, site).send().await;
                assert_eq!(
                    answer.status,
                    if through { 401 } else { 403 },
                    "{path} {origin:?} {site:?} {answer:?}"
                );
                assert_eq!(
                    answer.cookies().is_empty(),
                    !through,
                    "{path} {origin:?} {site:?} {answer:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_rule_is_about_changes_by_cookie_and_about_nothing_else() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let evil = |request: Request| {
        request
            .header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site")
    };
    let login = login_in(&client, "ada", "cookie").await;
    for name in ["__Host-token", "__Host-refresh"] {
        let cookie = format!("{name}={}", login.cookie(name).unwrap().value);
        for (method, path) in [
            ("POST", "/refresh"),
            ("POST", "/password"),
            ("PATCH", "/profile"),
            ("DELETE", "/profile"),
            ("POST", "/profile/delete"),
            ("POST", "/logout"),
            ("POST", "/users/logout"),
            ("DELETE", "/admin/sessions"),
            ("POST", "/register"),
            ("PUT", "/nowhere"),
            ("POST", "/login"),
            ("POST", "/users/login"),
        ] {
            let answer = evil(client.request(method, path))
                .cookie(&cookie)
                .json(&json!({}))
                .send()
                .await;
            answer.refused(403, "cross_site_request");
            assert!(answer.cookies().is_empty());
        }
    }
    // Reading changes nothing, and CORS keeps the answer from the other site.
    let cookie = format!(
        "__Host-token={}",
        login.cookie("__Host-token").unwrap().value
    );
    evil(client.get("/profile"))
        .cookie(&cookie)
        .send()
        .await
        .expect(200);
    // A header is not sent by itself: whoever can set it holds the token.
    evil(client.post("/users/login"))
        .json(&json!({"email": "ada", "password": PASSWORD}))
        .send()
        .await
        .expect(200);
    let body = json!({"username": "bob", "password": PASSWORD});
    evil(client.post("/register"))
        .json(&body)
        .send()
        .await
        .expect(201);
    protected(&client, &ada.access).await.expect(200);
}

#[tokio::test]
async fn our_own_origin_is_that_of_the_public_url() {
    let (server, client) = start(&[("server.public_url", "https://login.example.com")]);
    register(&client, "ada").await;
    let body = json!({"username": "ada", "password": PASSWORD, "mode": "session"});
    let from = |origin: String| {
        client
            .post("/login")
            .header("origin", origin)
            .json(&body)
            .send()
    };
    from(server.url(""))
        .await
        .refused(403, "cross_site_request");
    from("http://login.example.com".to_owned())
        .await
        .refused(403, "cross_site_request");
    from("https://login.example.com".to_owned())
        .await
        .expect(200);
}
