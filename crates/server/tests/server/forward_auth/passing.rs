//! Who passes, what the program is told, and what it must never be told.

use countersign_testkit::raw;
use serde_json::json;

use super::proxy::{BOTH, World};
use crate::support::*;

/// What the program must hear from nobody but Countersign.
const IDENTITY: [&str; 4] = [
    "x-auth-subject",
    "x-auth-username",
    "x-auth-roles",
    "x-auth-cookie",
];

/// The same names as a liar spells them, each more than once.
fn forged() -> String {
    let mut lines = String::new();
    for name in ["Subject", "Username", "Roles", "Cookie"] {
        for spelling in [
            format!("X-Auth-{name}"),
            format!("x-auth-{}", name.to_lowercase()),
            format!("X-AUTH-{}", name.to_uppercase()),
            format!("X_Auth_{name}"),
            format!("x_auth_{}", name.to_lowercase()),
            format!("X-Auth_{name}"),
            format!("X_Auth-{name}"),
            format!("X_AUTH_{}", name.to_uppercase()),
        ] {
            lines.push_str(&format!("{spelling}: admin\r\n{spelling}: root\r\n"));
        }
    }
    lines
}

#[tokio::test]
async fn a_request_that_says_who_it_is_itself_is_not_believed() {
    for kind in BOTH {
        let world = World::new(kind).await;
        let ada = newcomer(&world.server.client(), "ada").await;
        let forged = forged();
        let lies = format!(
            "GET /notes HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{forged}\r\n",
            world.address
        );
        let answer = raw(world.address, lies).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 401"), "{kind:?} {answer}");
        world.untouched();
        // Nor does a good login lend credence to the rest; nor can a client have the proxy take the
        // truth away, and leave the lie.
        for connection in [
            "close",
            "close, X-Auth-Subject, X-Auth-Roles, X-Auth-Username",
        ] {
            let lies = format!(
                "GET /notes HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\n\
                 Authorization: Bearer {}\r\n{forged}\r\n",
                world.address, ada.access
            );
            let answer = raw(world.address, lies).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 200"), "{kind:?} {answer}");
            let seen = world.the_one();
            let subject = claims(&ada.access)["sub"].as_str().unwrap().to_owned();
            for name in IDENTITY {
                let told = seen.all(name);
                let truth = match name {
                    "x-auth-subject" => vec![subject.clone()],
                    "x-auth-username" => vec!["ada".to_owned()],
                    _ => vec![],
                };
                let taken_away = connection.len() > "close".len() && told.is_empty();
                assert!(told == truth || taken_away, "{kind:?} {name} {seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_program_is_told_who_it_is_and_sees_no_credential() {
    for kind in BOTH {
        let world = World::new(kind).await;
        let admin = admin(&world.server, "grace").await;
        let browser = world.client.jar();
        login_in(&browser, "grace", "session").await;
        let session = browser.stored("__Host-sessionId").unwrap();
        let cookies = format!(
            "theme=dark; __Host-sessionId={session}; refresh=a; sessionId=b; token=c; lang=de"
        );
        let sent = world.client.get("/notes?x=1").cookie(&cookies);
        let sent = sent.cookie("__Host-refresh=d; refresh=e; tokens=3");
        // The address that the program sees is that of the client, whatever the client says.
        let sent = sent.header("x-forwarded-for", "192.0.2.1");
        sent.header("authorization", "Basic dTpw")
            .send()
            .await
            .expect(200);
        let seen = world.the_one();
        assert_eq!(
            seen.all("cookie"),
            ["theme=dark; lang=de; tokens=3"],
            "{kind:?}"
        );
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"], "{kind:?}");
        assert_eq!(seen.all("host"), [world.address.to_string()], "{kind:?}");
        // Other schemes than ours are the program's own affair.
        assert_eq!(seen.all("authorization"), ["Basic dTpw"]);
        assert_eq!(seen.all("x-auth-username"), ["grace"]);
        assert_eq!(seen.all("x-auth-roles"), ["admin"]);
        assert_eq!(
            seen.all("x-auth-subject"),
            [claims(&admin.access)["sub"].as_str().unwrap()]
        );
        assert!(seen.all("x-auth-cookie").is_empty(), "{seen:?}");
        for scheme in ["Bearer", "bearer"] {
            let request = world.client.get("/notes").cookie("theme=dark");
            let request = request.header("authorization", format!("{scheme} {}", admin.access));
            request.send().await.expect(200);
            let seen = world.the_one();
            assert!(seen.all("authorization").is_empty(), "{kind:?} {seen:?}");
            assert_eq!(seen.all("cookie"), ["theme=dark"]);
        }
        // Only ours: nothing is left of the header.
        let only_ours = format!("__Host-sessionId={session}");
        world
            .client
            .get("/")
            .cookie(&only_ours)
            .send()
            .await
            .expect(200);
        assert!(world.the_one().all("cookie").is_empty(), "{kind:?}");
        // As much as a proxy takes from a client comes back in the answer.
        let large = format!("{only_ours}; large={}", "x".repeat(6_000));
        world
            .client
            .get("/")
            .cookie(&large)
            .send()
            .await
            .expect(200);
        assert_eq!(world.the_one().all("cookie")[0].len(), 6_006);
    }
}

#[tokio::test]
async fn a_path_for_a_role_is_shut_to_others_however_it_is_spelt() {
    for kind in BOTH {
        let world = World::new(kind).await;
        let ada = newcomer(&world.server.client(), "ada").await;
        let grace = admin(&world.server, "grace").await;
        for path in [
            "/admin",
            "/admin/",
            "/admin/users?x=1",
            "/admin;x/users",
            "//admin/",
            "/./admin",
            "/notes/../admin/users",
            "/%61dmin/",
            "/notes/%2e%2e/admin",
            "/notes/..%2fadmin",
        ] {
            let answer = world.client.get(path).bearer(&ada.access).send().await;
            answer.refused(403, "forbidden");
            well_formed(&answer);
            assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
            world.untouched();
        }
        let plain = world.client.get("/admin/users");
        plain.clone().send().await.refused(401, "token_missing");
        world.untouched();
        plain.bearer(&grace.access).send().await.expect(200);
        world.the_one();
        // The door behind which the proxy asks is not for clients.
        for path in ["/_verify/", "/_verify/role=admin", "/verify"] {
            let answer = world.client.get(path).send().await;
            assert!(
                matches!(answer.status, 401 | 404),
                "{kind:?} {path} {answer:?}"
            );
        }
        world.untouched();
    }
}

#[tokio::test]
async fn a_program_is_refused_as_the_contract_says_until_it_signs_in_and_once_it_signs_out() {
    for kind in BOTH {
        let world = World::new(kind).await;
        register(&world.server.client(), "ada").await;
        let anonymous = world
            .client
            .get("/api/notes")
            .header("accept", "application/json");
        let answer = anonymous.clone().send().await;
        answer.refused(401, "token_missing");
        well_formed(&answer);
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
        assert!(answer.header("location").is_none(), "{kind:?}");
        for bad in ["x", "a.b.c"] {
            let answer = anonymous.clone().bearer(bad).send().await;
            answer.refused(401, "token_malformed");
            well_formed(&answer);
            let challenges = answer.headers.get_all("www-authenticate").iter().count();
            assert_eq!(challenges, 1, "{kind:?} {answer:?}");
        }
        world.untouched();
        for mode in ["token", "cookie", "session"] {
            let browser = world.client.jar();
            let answer = login_in(&browser, "ada", mode).await;
            let token = answer.json()["access_token"].as_str().map(str::to_owned);
            let ask = |path: &str| {
                let request = browser.get(path);
                match &token {
                    Some(token) => request.bearer(token),
                    None => request,
                }
            };
            let kept: Vec<_> = answer
                .cookies()
                .into_iter()
                .filter(|c| !c.deletes())
                .collect();
            let cookies: Vec<_> = kept
                .iter()
                .map(|c| format!("{}={}", c.name, c.value))
                .collect();
            ask("/api/notes").send().await.expect(200);
            world.the_one();
            let mut out = browser.post("/logout");
            if let Some(token) = &token {
                out = out.bearer(token);
            }
            out.send().await.expect(200);
            let again = match &token {
                Some(token) => world.client.get("/api/notes").bearer(token),
                None => world.client.get("/api/notes").cookie(&cookies.join("; ")),
            };
            let answer = again.send().await.expect(401);
            let code = if mode == "session" {
                "session_invalid"
            } else {
                "token_revoked"
            };
            answer.refused(401, code);
            well_formed(&answer);
            world.untouched();
        }
    }
}

#[tokio::test]
async fn a_change_from_another_site_is_refused_and_one_from_here_passes_whole() {
    for kind in BOTH {
        let world = World::new(kind).await;
        register(&world.server.client(), "ada").await;
        let browser = world.client.jar();
        login_in(&browser, "ada", "session").await;
        let own = format!("http://{}", world.address);
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            for method in ["POST", "PUT", "DELETE", "PATCH"] {
                let request = browser.request(method, "/notes").header(name, value);
                // The proxy says the method, and not the client.
                let request = request.header("x-forwarded-method", "GET").body("x=1");
                let answer = request.send().await;
                answer.refused(403, "cross_site_request");
                well_formed(&answer);
            }
            let socket = browser.get("/notes").header(name, value);
            let socket = socket.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
            socket.send().await.refused(403, "cross_site_request");
            world.untouched();
            browser
                .get("/notes")
                .header(name, value)
                .send()
                .await
                .expect(200);
            world.the_one();
        }
        for (name, value) in [("origin", own.as_str()), ("sec-fetch-site", "same-origin")] {
            let body = vec![b'x'; 700_000];
            let request = browser.post("/notes?a=1").header(name, value);
            let request = request.header("content-type", "text/plain").body(body);
            let answer = request.send().await.expect(200);
            assert_eq!(answer.text(), "the program");
            let seen = world.the_one();
            assert_eq!((seen.method.as_str(), seen.body), ("POST", 700_000));
            assert_eq!(seen.uri.to_string(), "/notes?a=1");
        }
        let head = browser.request("HEAD", "/notes").send().await.expect(200);
        assert!(head.body.is_empty());
        assert_eq!(world.the_one().method.as_str(), "HEAD");
        let body = json!({"username": "ada", "password": "x".repeat(100_000)});
        let answer = world.client.post("/login").json(&body).send().await;
        answer.expect(413);
        world.untouched();
    }
}
