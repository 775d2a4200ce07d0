//! `/sign-in`, the page: refusals first, and where it leads.

use countersign_testkit::{Client, Request, Response};
use serde_json::json;

use crate::support::*;

fn form(client: &Client, fields: &str) -> Request {
    client.post("/sign-in").form(fields)
}

/// A page that a person can read, whatever the status, and that runs and loads nothing.
#[track_caller]
fn is_page(answer: &Response) {
    let kind = answer.header("content-type").unwrap_or_default();
    assert_eq!(kind, "text/html; charset=utf-8", "{answer:?}");
    let policy = answer.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "'sha256-",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("evil"),
        "{policy}"
    );
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    let page = answer.text();
    assert!(
        page.starts_with("<!doctype html>") && page.ends_with("</html>"),
        "{page}"
    );
    for foreign in ["<script", "style=", "src=", "href=", "evil"] {
        assert!(!page.contains(foreign), "{foreign} in {page}");
    }
}

#[tokio::test]
async fn odd_forms_are_refused_with_a_page_and_sign_nobody_in() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    let large = format!("username=ada&password={}", "x".repeat(70_000));
    for (fields, status) in [
        ("", 400),
        ("username=ada", 400),
        ("password=x", 400),
        ("username=ada&password=x&password=plum-harbour-41", 400),
        ("username=ada&username=ada&password=plum-harbour-41", 400),
        ("username=ada&password=plum-harbour-41&x=1&x=2", 400),
        (
            "username=ada&password=plum-harbour-41&return_to=/&return_to=//evil.example",
            400,
        ),
        ("username=ada&password=%ff", 400),
        ("username=ada&password=plum-harbour-41%", 400),
        ("username=%zz&password=plum-harbour-41", 400),
        (
            "{\"username\":\"ada\",\"password\":\"plum-harbour-41\"}",
            400,
        ),
        ("username=&password=", 401),
        ("username=%00&password=plum-harbour-41", 401),
        ("username=ada&password=plum-harbour-42", 401),
        (&large, 413),
    ] {
        let answer = form(&client, fields).send().await.expect(status);
        is_page(&answer);
        assert!(answer.cookies().is_empty(), "{fields}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
    let good = "username=ada&password=plum-harbour-41";
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
    ] {
        let request = client
            .post("/sign-in")
            .header("content-type", kind)
            .body(good);
        is_page(&request.send().await.expect(415));
    }
    client.post("/sign-in").body(good).send().await.expect(415);
    // Bytes that are no text.
    let bytes = client
        .post("/sign-in")
        .form("")
        .body(b"username=\xff&password=\xfe".to_vec());
    is_page(&bytes.send().await.expect(400));
    client
        .request("PUT", "/sign-in")
        .send()
        .await
        .refused(405, "method_not_allowed");
}

#[tokio::test]
async fn wrong_password_unknown_user_and_disabled_account_are_one_page() {
    let (server, client) = start(&[]);
    register(&client, "ada").await;
    register(&client, "bob").await;
    assert_eq!(server.cli(&["user", "disable", "bob"]).code, Some(0));
    let mut pages = Vec::new();
    for name in ["ada", "bob", "eve"] {
        let password = if name == "bob" {
            PASSWORD
        } else {
            "wrong-password"
        };
        let fields = format!("username={name}&password={password}&return_to=/x");
        let answer = form(&client, &fields).send().await.expect(401);
        is_page(&answer);
        // The name that was typed stands in the field again.
        let page = answer.text();
        assert!(page.contains(&format!("value=\"{name}\"")) && !page.contains(password));
        pages.push(page.replace(&format!("value=\"{name}\""), ""));
    }
    assert!(pages.windows(2).all(|two| two[0] == two[1]));
}

#[tokio::test]
async fn another_site_signs_nobody_in() {
    let (_server, client) = start(&[("forward_auth.hosts", "https://app.example.com")]);
    register(&client, "ada").await;
    let good = || form(&client, "username=ada&password=plum-harbour-41");
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://app.example.com"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let answer = good().header(name, value).send().await.expect(403);
        is_page(&answer);
        assert!(answer.cookies().is_empty(), "{name} {value}");
    }
    for (name, value) in [
        ("origin", "https://app.example.com"),
        ("sec-fetch-site", "same-origin"),
    ] {
        good().header(name, value).send().await.expect(303);
    }
}

#[tokio::test]
async fn too_many_attempts_are_a_page_with_the_time_to_wait() {
    let (_server, client) = start(&[("limits.login_failures", "2")]);
    register(&client, "ada").await;
    for _ in 0..2 {
        form(&client, "username=ada&password=wrong-password")
            .send()
            .await
            .expect(401);
    }
    let answer = form(&client, "username=ada&password=plum-harbour-41")
        .send()
        .await
        .expect(429);
    is_page(&answer);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((800..=900).contains(&wait), "{wait}");
    assert!(answer.cookies().is_empty());
    // One throttle for the page and the route.
    let body = json!({"username": "ada", "password": PASSWORD});
    client
        .post("/login")
        .json(&body)
        .send()
        .await
        .refused(429, "too_many_attempts");
}

#[tokio::test]
async fn the_way_back_leads_to_our_own_hosts_and_everything_else_home() {
    let (server, client) = start(&[("forward_auth.hosts", "https://app.example.com")]);
    register(&client, "ada").await;
    let own = server.url("/x?y=1");
    for (asked, leads) in [
        ("%2Fnotes%3Fa%3D1%26b%3D2%2520c", "/notes?a=1&b=2%20c"),
        (
            "https%3A%2F%2Fapp.example.com%2Fx%3Fy%3D1",
            "https://app.example.com/x?y=1",
        ),
        (&own, own.as_str()),
        ("//evil.example", "/"),
        ("%2F%5Cevil.example", "/"),
        ("%2F%09%2Fevil.example", "/"),
        ("https://evil.example", "/"),
        ("https://app.example.com.evil.example", "/"),
        ("javascript:evil()", "/"),
        ("/x%0d%0aset-cookie:evil=1", "/"),
        ("/%22%3E%3Cscript%3Eevil()", "/"),
        ("", "/"),
    ] {
        let page = client.get(&format!("/sign-in?return_to={asked}"));
        is_page(&page.send().await.expect(200));
        let fields = format!("username=ada&password={PASSWORD}&return_to={asked}");
        let answer = form(&client, &fields).send().await.expect(303);
        assert_eq!(answer.header("location").as_deref(), Some(leads), "{asked}");
        // Whoever is signed in goes there at once.
        let cookie = answer.cookie("__Host-sessionId").unwrap().value;
        let request = client.get(&format!("/sign-in?return_to={asked}"));
        let answer = request
            .cookie(&format!("__Host-sessionId={cookie}"))
            .send()
            .await
            .expect(303);
        assert_eq!(answer.header("location").as_deref(), Some(leads), "{asked}");
    }
    // A browser follows the form to where the policy lets it.
    let page = client
        .get("/sign-in?return_to=https://app.example.com/x")
        .send()
        .await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self' https://app.example.com;"),
        "{policy}"
    );
    for odd in [
        "?return_to=/a&return_to=/b",
        "?return_to=%ff",
        "?%",
        "?x=1&x=2",
    ] {
        let page = client
            .get(&format!("/sign-in{odd}"))
            .send()
            .await
            .expect(200);
        is_page(&page);
        assert!(!page.text().contains("return_to"), "{odd}");
    }
}

#[tokio::test]
async fn a_login_by_the_page_is_one_lax_session_cookie_and_no_other() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    let browser = client.jar();
    login_in(&browser, "ada", "cookie").await;
    let fields = format!("username=ADA&password={PASSWORD}&return_to=/x");
    let answer = form(&browser, &fields).send().await.expect(303);
    let cookie = answer.cookie("__Host-sessionId").unwrap();
    assert_eq!(cookie.attribute("samesite"), Some("Lax"));
    assert_eq!(cookie.attribute("path"), Some("/"));
    assert!(cookie.attribute("httponly").is_some() && cookie.attribute("secure").is_some());
    assert!(cookie.attribute("domain").is_none() && cookie.max_age() > Some(2_000_000));
    assert!(browser.stored("__Host-token").is_none() && browser.stored("__Host-refresh").is_none());
    browser.get("/protected").send().await.expect(200);
    // An API login keeps its own rule.
    let api = login_in(&client, "ada", "session").await;
    assert_eq!(
        api.cookie("__Host-sessionId")
            .unwrap()
            .attribute("samesite"),
        Some("Strict")
    );
}

#[tokio::test]
async fn what_somebody_typed_is_text_and_a_dead_login_sees_the_form() {
    let (_server, client) = start(&[]);
    let fields = "username=%22%3E%3Cscript%3Ealert(1)%3C/script%3E%27%26&password=x";
    let page = form(&client, fields).send().await.expect(401).text();
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script"),
        "{page}"
    );
    register(&client, "ada").await;
    let browser = client.jar();
    let fields = format!("username=ada&password={PASSWORD}");
    let answer = form(&browser, &fields).send().await.expect(303);
    assert_eq!(answer.header("location").as_deref(), Some("/"));
    let cookie = format!(
        "__Host-sessionId={}",
        answer.cookie("__Host-sessionId").unwrap().value
    );
    let page = browser.get("/sign-in").send().await.expect(200);
    is_page(&page);
    assert!(page.text().contains("<strong>ada</strong>"));
    // The button: no script, and a page to look at afterwards. With nothing to sign out of as well.
    for _ in 0..2 {
        let out = client
            .post("/logout")
            .form("")
            .cookie(&cookie)
            .send()
            .await
            .expect(303);
        assert_eq!(out.header("location").as_deref(), Some("/sign-in"));
        assert!(out.cookies().iter().all(|cookie| cookie.deletes()) && out.cookies().len() == 3);
    }
    for bad in [
        cookie.as_str(),
        "__Host-sessionId=x",
        "__Host-token=x",
        "__Host-token=a; __Host-token=b",
    ] {
        let page = client
            .get("/sign-in?return_to=/x")
            .cookie(bad)
            .send()
            .await
            .expect(200);
        is_page(&page);
        assert!(page.text().contains("type=\"password\""), "{bad}");
    }
}

/// Behind a proxy a token cookie runs out on the way to a page, and only this page can mend that.
#[tokio::test]
async fn a_login_that_needs_but_a_fresh_token_goes_on_without_a_password() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    let login = login_in(&client, "ada", "cookie").await;
    let refresh = login.cookie("__Host-refresh").unwrap().value;
    let visit = |method: &str, refresh: &str| {
        let cookies = format!("__Host-token=outdated; __Host-refresh={refresh}");
        let path = "/sign-in?return_to=/x";
        client.request(method, path).cookie(&cookies)
    };
    // Nothing that another site can bring about, and nothing that only looks, uses the token up.
    for (method, name, value) in [
        ("GET", "sec-fetch-site", "cross-site"),
        ("GET", "sec-fetch-site", "same-site"),
        ("GET", "origin", "https://evil.example"),
        ("HEAD", "sec-fetch-site", "none"),
    ] {
        let answer = visit(method, &refresh).header(name, value).send().await;
        assert!(answer.expect(200).cookies().is_empty(), "{method} {value}");
    }
    let answer = visit("GET", &refresh).header("sec-fetch-site", "none");
    let answer = answer.send().await.expect(303);
    assert_eq!(answer.header("location").as_deref(), Some("/x"));
    let token = answer.cookie("__Host-token").unwrap();
    let next = answer.cookie("__Host-refresh").unwrap();
    assert_eq!(token.attribute("samesite"), Some("Strict"));
    assert!(!token.deletes() && next.value != refresh);
    let cookie = format!("__Host-token={}", token.value);
    let request = client.get("/protected").cookie(&cookie);
    request.send().await.expect(200);
    // One that was made up is taken away, and the form is there.
    let answer = visit("GET", "made-up").send().await.expect(200);
    is_page(&answer);
    assert!(answer.text().contains("type=\"password\""));
    assert!(answer.cookies().len() == 3 && answer.cookies().iter().all(|c| c.deletes()));
    // So is one whose login is over.
    let out = client.post("/logout").cookie(&cookie);
    out.send().await.expect(200);
    let answer = visit("GET", &next.value).send().await.expect(200);
    assert!(answer.cookies().iter().all(|cookie| cookie.deletes()));
}

#[tokio::test]
async fn below_a_path_the_page_and_its_forms_stand_below_it_too() {
    let (_server, client) = start(&[("server.public_url", "https://example.com/auth")]);
    let body = json!({"username": "ada", "password": PASSWORD});
    client
        .post("/auth/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    client
        .get("/sign-in")
        .send()
        .await
        .refused(404, "not_found");
    // Relative: from /auth/sign-in this is /auth/sign-in again.
    let page = client
        .get("/auth/sign-in?return_to=/x")
        .send()
        .await
        .expect(200);
    assert!(page.text().contains("action=\"sign-in\""));
    let browser = client.jar();
    let fields = format!("username=ada&password={PASSWORD}&return_to=https://example.com/y");
    let answer = browser
        .post("/auth/sign-in")
        .form(&fields)
        .send()
        .await
        .expect(303);
    assert_eq!(
        answer.header("location").as_deref(),
        Some("https://example.com/y")
    );
    let out = browser
        .post("/auth/logout")
        .form("")
        .send()
        .await
        .expect(303);
    assert_eq!(out.header("location").as_deref(), Some("/auth/sign-in"));
}
