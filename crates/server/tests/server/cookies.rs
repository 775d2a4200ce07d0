//! Cookies: which wins, what is refused, what a login takes away. Seed rows 72 to 79, 82, 83, 87.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn an_invalid_credential_of_the_first_kind_ends_the_search() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let cookie = login_in(&client, "ada", "cookie")
        .await
        .cookie("__Host-token")
        .unwrap()
        .value;
    let session = login_in(&client, "ada", "session")
        .await
        .cookie("__Host-sessionId")
        .unwrap()
        .value;
    let get = || client.get("/profile");
    for (request, code) in [
        (
            get().bearer("x").cookie(&format!(
                "__Host-token={cookie}; __Host-sessionId={session}"
            )),
            "token_malformed",
        ),
        (
            get().cookie(&format!("__Host-token=x; __Host-sessionId={session}")),
            "token_malformed",
        ),
        (
            get().cookie(&format!("__Host-token=; __Host-sessionId={session}")),
            "token_malformed",
        ),
        // A name sent twice: somebody planted another, and which one is ours cannot be told.
        (
            get().cookie(&format!("__Host-token={cookie}; __Host-token={cookie}")),
            "token_malformed",
        ),
        (
            get()
                .cookie(&format!("__Host-token={cookie}"))
                .cookie("__Host-token=x"),
            "token_malformed",
        ),
        (
            get().cookie(&format!(
                "__Host-sessionId={session}; __Host-sessionId={session}"
            )),
            "session_invalid",
        ),
        // Names are exact: another prefix or case is nobody's cookie.
        (get().cookie(&format!("token={cookie}")), "token_missing"),
        (
            get().cookie(&format!("__host-token={cookie}")),
            "token_missing",
        ),
        (
            get().cookie(&format!("__Secure-token={cookie}")),
            "token_missing",
        ),
        (
            get().cookie(&format!("sessionId={session}")),
            "token_missing",
        ),
        // One kind of cookie does not stand in for another.
        (
            get().cookie(&format!("__Host-token={session}")),
            "token_malformed",
        ),
        (
            get().cookie(&format!("__Host-sessionId={cookie}")),
            "session_invalid",
        ),
        (
            get().cookie(&format!("__Host-token={}", ada.refresh)),
            "token_malformed",
        ),
        (
            get().cookie(&format!("__Host-refresh={}", ada.refresh)),
            "token_missing",
        ),
    ] {
        let answer = request.send().await;
        answer.refused(401, code);
        well_formed(&answer);
    }
    let twice = format!("__Host-refresh={0}; __Host-refresh={0}", ada.refresh);
    client
        .post("/refresh")
        .cookie(&twice)
        .send()
        .await
        .refused(401, "refresh_invalid");
}

// Seed row 87.
#[tokio::test]
async fn the_header_wins_over_cookies() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    register(&client, "bob").await;
    let browser = client.jar();
    login_in(&browser, "bob", "cookie").await;
    let said = async |request: countersign_testkit::Request| {
        request.send().await.expect(200).json()["username"].clone()
    };
    assert_eq!(
        said(browser.get("/profile").bearer(&ada.access)).await,
        json!("ada")
    );
    assert_eq!(said(browser.get("/profile")).await, json!("bob"));
    assert_eq!(
        said(
            browser
                .get("/profile")
                .header("authorization", "Basic YTpi")
        )
        .await,
        json!("bob")
    );
}

// Seed rows 73, 76, 83: each mode by its cookie alone, among the cookies of others.
#[tokio::test]
async fn a_cookie_alone_signs_in() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    for (mode, name) in [("cookie", "__Host-token"), ("session", "__Host-sessionId")] {
        let value = login_in(&client, "ada", mode)
            .await
            .cookie(name)
            .unwrap()
            .value;
        for sent in [
            format!("{name}={value}"),
            format!("theme=dark; {name}={value}; x=y=z; {name}s=1"),
            format!(" ; ;{name}={value};"),
        ] {
            client
                .get("/profile")
                .cookie(&sent)
                .send()
                .await
                .expect(200);
        }
        let apart = client
            .get("/profile")
            .cookie("a=b")
            .cookie(&format!("{name}={value}"))
            .send()
            .await;
        apart.expect(200);
    }
}

#[tokio::test]
async fn a_login_takes_the_cookies_of_the_other_modes_away() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    let names = ["__Host-token", "__Host-refresh", "__Host-sessionId"];
    let browser = client.jar();
    for (mode, kept) in [
        ("cookie", vec![names[0], names[1]]),
        ("session", vec![names[2]]),
        ("cookie", vec![names[0], names[1]]),
        ("token", vec![]),
        ("session", vec![names[2]]),
        ("token", vec![]),
    ] {
        login_in(&browser, "ada", mode).await;
        for name in names {
            assert_eq!(
                browser.stored(name).is_some(),
                kept.contains(&name),
                "{mode} {name}"
            );
        }
    }
    // Also those that the browser kept back, as it does with Strict ones on the way from a link.
    let answer = login_in(&client, "ada", "session").await;
    let gone: Vec<_> = answer
        .cookies()
        .into_iter()
        .filter(|c| c.deletes())
        .map(|c| c.name)
        .collect();
    assert_eq!(gone, ["__Host-token", "__Host-refresh"]);
}

#[tokio::test]
async fn without_a_prefix_the_names_are_those_of_the_tutorials() {
    let (_server, client) = start(&[("cookie.prefix", "")]);
    register(&client, "ada").await;
    let answer = login_in(&client, "ada", "cookie").await;
    let token = answer.cookie("token").unwrap();
    assert!(token.attribute("secure").is_some() && token.attribute("httponly").is_some());
    assert_eq!(
        (token.attribute("samesite"), token.attribute("path")),
        (Some("Strict"), Some("/"))
    );
    client
        .get("/profile")
        .cookie(&format!("__Host-token={}", token.value))
        .send()
        .await
        .refused(401, "token_missing");
    client
        .get("/profile")
        .cookie(&format!("token={}", token.value))
        .send()
        .await
        .expect(200);
    assert!(answer.cookie("refresh").is_some());
    let session = login_in(&client, "ada", "session")
        .await
        .cookie("sessionId")
        .unwrap();
    let cookie = format!("sessionId={}", session.value);
    client
        .get("/profile")
        .cookie(&cookie)
        .send()
        .await
        .expect(200);
    let answer = client
        .post("/logout")
        .cookie(&cookie)
        .send()
        .await
        .expect(200);
    let gone: Vec<_> = answer.cookies().into_iter().map(|c| c.name).collect();
    assert_eq!(gone, ["token", "refresh", "sessionId"]);
    client
        .get("/profile")
        .cookie(&cookie)
        .send()
        .await
        .refused(401, "session_invalid");
}

#[tokio::test]
async fn the_operator_may_choose_how_cookies_travel() {
    let (_server, client) = start(&[("cookie.same_site", "lax")]);
    register(&client, "ada").await;
    let cookie = login_in(&client, "ada", "session")
        .await
        .cookie("__Host-sessionId")
        .unwrap();
    assert_eq!(cookie.attribute("samesite"), Some("Lax"));
}
