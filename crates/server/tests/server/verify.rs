//! `GET /verify` itself, as a proxy asks it. What comes of the answers is in `forward_auth`.

use countersign_testkit::{Client, Request};

use crate::support::*;

/// A question about a request of this method, with the cookie of a fresh session login.
async fn cookie_of(client: &Client, name: &str) -> String {
    let login = login_in(client, name, "session").await;
    let cookie = login.cookie("__Host-sessionId").unwrap();
    format!("__Host-sessionId={}", cookie.value)
}

fn about(client: &Client, method: &str) -> Request {
    client.get("/verify").header("x-forwarded-method", method)
}

#[tokio::test]
async fn nobody_passes_without_a_good_credential_and_no_refusal_names_anybody() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    logout(&client, &ada.access).await.expect(200);
    for (request, code) in [
        (about(&client, "GET"), "token_missing"),
        (about(&client, "GET").bearer("x"), "token_malformed"),
        (about(&client, "GET").bearer(&ada.access), "token_revoked"),
        (
            about(&client, "GET").cookie("__Host-sessionId=x"),
            "session_invalid",
        ),
        (
            about(&client, "GET").cookie("__Host-token=a; __Host-token=a"),
            "token_malformed",
        ),
        (
            about(&client, "GET").header("authorization", "Basic dTpw"),
            "token_missing",
        ),
        // What the proxy would say of a caller is not taken from the caller.
        (
            about(&client, "GET").header("x-auth-subject", NOBODY),
            "token_missing",
        ),
    ] {
        let answer = request.send().await;
        answer.refused(401, code);
        well_formed(&answer);
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
        // For proxies that cannot read a body.
        assert_eq!(answer.header("x-auth-error"), Some(answer.text()));
        for name in [
            "x-auth-subject",
            "x-auth-username",
            "x-auth-roles",
            "x-auth-cookie",
        ] {
            assert_eq!(answer.header(name), None, "{answer:?}");
        }
        assert_eq!(answer.header("x-auth-sign-in"), None, "{answer:?}");
    }
}

#[tokio::test]
async fn a_demand_that_is_misspelt_is_met_by_nobody() {
    let (server, client) = start(&[]);
    let grace = admin(&server, "grace").await;
    for query in [
        "?roles=admin",
        "?role=admin&x=1",
        "?role=",
        "?role=Admin",
        "?role=admin,staff",
        "?role",
        "?role=%61dmin&Role=x",
        "?role=%ff",
        "?role=%",
        "?=admin",
        "?admin",
        "?role=a%20b",
        "?return_to=/",
    ] {
        let path = format!("/verify{query}");
        let answer = client.get(&path).bearer(&grace.access).send().await;
        answer.refused(400, "invalid_query");
        well_formed(&answer);
    }
}

#[tokio::test]
async fn of_several_roles_any_one_opens_the_way() {
    let (server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let grace = admin(&server, "grace").await;
    for (query, opens) in [
        ("", true),
        ("?", true),
        ("?role=admin", true),
        ("?role=%61dmin", true),
        ("?role=staff&role=admin", true),
        ("?role=admin&role=admin", true),
        ("?role=staff", false),
        ("?role=staff&role=adm", false),
    ] {
        let ask = |token: &str| client.get(&format!("/verify{query}")).bearer(token).send();
        let answer = ask(&grace.access).await;
        if opens {
            answer.expect(200);
        } else {
            answer.refused(403, "forbidden");
            assert_eq!(answer.header("x-auth-error"), Some(answer.text()));
        }
        let demanded = query.contains("role");
        assert_eq!(
            ask(&ada.access).await.status,
            if demanded { 403 } else { 200 },
            "{query}"
        );
    }
}

#[tokio::test]
async fn who_passes_is_named_in_all_headers_always() {
    let (server, client) = start(&[]);
    let token = newcomer(&client, "Zoë.x").await;
    let answer = client
        .get("/verify")
        .bearer(&token.access)
        .send()
        .await
        .expect(200);
    let subject = claims(&token.access)["sub"].as_str().map(str::to_owned);
    assert_eq!(answer.header("x-auth-subject"), subject);
    assert_eq!(
        answer.header("x-auth-username").as_deref(),
        Some("Zo%C3%AB.x")
    );
    assert_eq!(answer.header("x-auth-roles").as_deref(), Some(""));
    assert_eq!(answer.header("x-auth-cookie").as_deref(), Some(""));
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert!(answer.body.is_empty() && answer.cookies().is_empty());
    // Nothing that the caller claims comes back.
    let lies = client
        .get("/verify")
        .bearer(&token.access)
        .header("x-auth-roles", "admin");
    let lies = lies
        .header("x-auth-subject", NOBODY)
        .send()
        .await
        .expect(200);
    assert_eq!(lies.header("x-auth-subject"), subject);
    assert_eq!(lies.header("x-auth-roles").as_deref(), Some(""));
    // In every mode; and of an account that has an e-mail address alone.
    let body = serde_json::json!({"email": "Ada+x@example.com", "password": PASSWORD});
    client
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    for mode in ["cookie", "session"] {
        let browser = client.jar();
        login_in(&browser, "Ada+x@example.com", mode).await;
        let request = browser.get("/verify").header("x-forwarded-method", "GET");
        let answer = request
            .cookie("a=1; refresh=x;b=2")
            .send()
            .await
            .expect(200);
        let name = answer.header("x-auth-username").unwrap().to_lowercase();
        assert_eq!(name, "ada%2bx@example.com");
        assert_eq!(answer.header("x-auth-cookie").as_deref(), Some("a=1; b=2"));
    }
    let grace = admin(&server, "grace").await;
    let head = client
        .request("HEAD", "/verify")
        .bearer(&grace.access)
        .send()
        .await;
    assert_eq!(
        head.expect(200).header("x-auth-roles").as_deref(),
        Some("admin")
    );
}

/// Written down apart from the code: by method, `Origin` and `Sec-Fetch-Site`.
#[tokio::test]
async fn what_rides_on_a_cookie_counts_as_a_change_unless_the_proxy_says_otherwise() {
    let (server, client) = start(&[
        ("forward_auth.hosts", "https://app.example.com"),
        ("cors.origins", "https://spa.example.com"),
    ]);
    register(&client, "ada").await;
    let cookie = cookie_of(&client, "ada").await;
    let own = server.url("");
    let methods: [&[&str]; 9] = [
        &["GET"],
        &["HEAD"],
        &["OPTIONS"],
        &["POST"],
        &["get"],
        &[""],
        &["GET, POST"],
        &["GET", "GET"],
        &[],
    ];
    for method in methods {
        for (origin, site, passes) in [
            (None, None, true),
            (Some(own.as_str()), None, true),
            (Some("https://app.example.com"), None, true),
            (Some("https://app.example.com"), Some("same-origin"), true),
            (Some("https://app.example.com"), Some("same-site"), false),
            (Some("https://spa.example.com"), Some("cross-site"), true),
            (None, Some("none"), true),
            (None, Some("cross-site"), false),
            (None, Some("same-site"), false),
            (Some("https://evil.example"), None, false),
            (Some("http://app.example.com"), None, false),
            (Some("null"), None, false),
        ] {
            let mut request = client.get("/verify").cookie(&cookie);
            for method in method {
                request = request.header("x-forwarded-method", method);
            }
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            if let Some(site) = site {
                request = request.header("sec-fetch-site", site);
            }
            let safe = matches!(method, ["GET" | "HEAD" | "OPTIONS"]);
            let answer = request.clone().send().await;
            if passes || safe {
                answer.expect(200);
            } else {
                answer.refused(403, "cross_site_request");
            }
            // A WebSocket is opened by a GET.
            let socket = request.header("sec-websocket-key", "x").send().await;
            assert_eq!(
                socket.status,
                if passes { 200 } else { 403 },
                "{method:?} {socket:?}"
            );
        }
    }
    // A header is not sent by itself.
    let token = login(&client, "ada").await;
    let request = about(&client, "POST").bearer(&token.access);
    request
        .header("sec-fetch-site", "cross-site")
        .send()
        .await
        .expect(200);
}

#[tokio::test]
async fn a_browser_is_offered_the_way_to_sign_in_and_never_one_to_elsewhere() {
    for (url, path) in [
        ("http://127.0.0.1:5000", ""),
        ("https://example.com/auth", "/auth"),
    ] {
        let (_server, client) = start(&[("server.public_url", url)]);
        let ask = |uri: &str| {
            let request = client
                .get(&format!("{path}/verify"))
                .header("accept", "text/html");
            request
                .header("x-forwarded-method", "GET")
                .header("x-forwarded-uri", uri)
        };
        let long = format!("/{}", "a".repeat(6_000));
        for (uri, back) in [
            ("/", "/"),
            ("/notes?a=1&b=2%20c", "/notes%3Fa%3D1%26b%3D2%2520c"),
            ("/a/b#c", "/a/b%23c"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("https://evil.example/", "/"),
            (url, "/"),
            ("", "/"),
            ("x", "/"),
            ("/\u{e4}", "/"),
            (&long, "/"),
        ] {
            let answer = ask(uri).send().await;
            answer.refused(401, "token_missing");
            let offered = answer.header("x-auth-sign-in").unwrap();
            assert_eq!(offered, format!("{path}/sign-in?return_to={back}"), "{uri}");
            assert!(answer.header("www-authenticate").is_some());
        }
        // Sent twice, it is nobody's.
        let twice = ask("/a").header("x-forwarded-uri", "/b").send().await;
        let offered = twice.header("x-auth-sign-in").unwrap();
        assert_eq!(offered, format!("{path}/sign-in?return_to=/"));
    }
}
