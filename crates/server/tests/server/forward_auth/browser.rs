//! A person with a browser: sent to sign in, and back to where they were headed.

use countersign_testkit::Client;

use super::proxy::{BOTH, World};
use crate::support::*;

const HTML: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

/// Goes to a page as a browser does, and is sent somewhere else.
async fn sent_from(browser: &Client, path: &str) -> String {
    let request = browser.get(path).header("accept", HTML);
    let request = request
        .header("sec-fetch-mode", "navigate")
        // What the client says about where it is headed is not what the proxy saw.
        .header("x-forwarded-uri", "//evil.example")
        .header("x-forwarded-method", "POST");
    let answer = request.send().await.expect(302);
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    answer.header("location").unwrap()
}

#[tokio::test]
async fn only_a_browser_on_its_way_to_a_page_is_sent_to_sign_in() {
    for kind in BOTH {
        let world = World::new(kind).await;
        for (method, accept, mode) in [
            ("POST", HTML, "navigate"),
            ("DELETE", HTML, "navigate"),
            ("GET", HTML, "cors"),
            ("GET", "*/*", "navigate"),
            ("GET", "application/json", "navigate"),
        ] {
            let request = world
                .client
                .request(method, "/notes")
                .header("accept", accept);
            let answer = request.header("sec-fetch-mode", mode).send().await;
            answer.refused(401, "token_missing");
            well_formed(&answer);
        }
        world.untouched();
    }
}

#[tokio::test]
async fn one_signs_in_and_comes_back_to_where_one_was_headed_and_signs_out() {
    for kind in BOTH {
        let world = World::new(kind).await;
        register(&world.server.client(), "ada").await;
        let browser = world.client.jar();
        for path in [
            "/",
            "/notes",
            "/notes?a=1&b=2%20c",
            "/n%C3%B6tes/%2F?return_to=%2Fx%3Fy&u=https://evil.example/",
            "/a+b;c/@:?c+d=%2B&e='(!*)&f=~$,",
        ] {
            let location = sent_from(&browser, path).await;
            world.untouched();
            assert!(
                location.starts_with("/sign-in?return_to=/"),
                "{kind:?} {location}"
            );
            let page = browser
                .get(&location)
                .header("accept", HTML)
                .send()
                .await
                .expect(200);
            let to = hidden(&page.text(), "return_to");
            let form = |password: &str| {
                let to: String = to.bytes().map(|byte| format!("%{byte:02x}")).collect();
                let form = format!("username=ada&password={password}&return_to={to}");
                let request = browser.post("/sign-in").form(&form);
                request.header("origin", format!("http://{}", world.address))
            };
            let wrong = form("wrong").send().await.expect(401);
            assert!(wrong.text().contains("do not belong together"));
            assert_eq!(hidden(&wrong.text(), "return_to"), to);
            let other = form(PASSWORD).header("sec-fetch-site", "cross-site");
            other.send().await.expect(403);
            let signed_in = form(PASSWORD).send().await.expect(303);
            assert_eq!(
                signed_in.header("location").as_deref(),
                Some(path),
                "{kind:?}"
            );
            let cookie = signed_in.cookie("__Host-sessionId").unwrap();
            assert_eq!(cookie.attribute("samesite"), Some("Lax"));
            world.untouched();
            browser
                .get(path)
                .header("accept", HTML)
                .send()
                .await
                .expect(200);
            let seen = world.the_one();
            assert_eq!(seen.uri.to_string(), path, "{kind:?}");
            assert_eq!(seen.all("x-auth-username"), ["ada"]);
            // Whoever is signed in goes straight on.
            let again = browser.get(&location).send().await.expect(303);
            assert_eq!(again.header("location").as_deref(), Some(path));
            let page = browser.get("/sign-in").send().await.expect(200).text();
            assert!(page.contains("<strong>ada</strong>") && page.contains("action=\"logout\""));
            let out = browser
                .post("/logout")
                .form("")
                .header("sec-fetch-site", "same-origin");
            let out = out.send().await.expect(303);
            assert_eq!(out.header("location").as_deref(), Some("/sign-in"));
            assert_eq!(browser.stored("__Host-sessionId"), None);
            sent_from(&browser, path).await;
            // The browser may still have it: the login is over all the same.
            let old = format!("__Host-sessionId={}", cookie.value);
            let old = world.client.get(path).cookie(&old).send().await;
            old.refused(401, "session_invalid");
            world.untouched();
        }
    }
}

/// The value of a hidden field, as a browser would read it.
fn hidden(page: &str, name: &str) -> String {
    let begin = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let (_, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    let value = rest.split('"').next().unwrap();
    ["&#x2f;/", "&quot;\"", "&#x27;'", "&lt;<", "&gt;>", "&amp;&"]
        .iter()
        .fold(value.to_owned(), |value, entity| {
            let (name, character) = entity.split_at(entity.len() - 1);
            value.replace(name, character)
        })
}
