//! `GET /`: seed row 88.

use crate::support::*;

#[tokio::test]
async fn the_page_loads_nothing_foreign_and_runs_nothing() {
    let (server, client) = start(&[]);
    let answer = client.get("/").send().await.expect(200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let policy = answer.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    let page = answer.text();
    assert!(page.contains("Countersign") && page.contains("/openapi.json"));
    assert!(!page.contains("<script") && !page.contains("style="));
    // What to type names this very server.
    assert!(page.contains("/register") && page.contains(&server.addr().to_string()));
    let style = client.get("/home.css").send().await.expect(200);
    assert_eq!(
        style.header("content-type").as_deref(),
        Some("text/css; charset=utf-8")
    );
    client
        .post("/")
        .send()
        .await
        .refused(405, "method_not_allowed");
}

#[tokio::test]
async fn below_a_path_the_page_is_there_with_the_slash_and_without() {
    let (_server, client) = start(&[("server.public_url", "https://example.com/auth")]);
    for path in ["/auth", "/auth/"] {
        let page = client.get(path).send().await.expect(200).text();
        assert!(page.contains("Countersign") && page.contains("example.com"));
        let refused = client.post(path).send().await;
        refused.refused(405, "method_not_allowed");
    }
    for path in ["/", "/authors", "/auth//"] {
        let answer = client.get(path).send().await;
        assert!(answer.header("x-request-id").is_some());
        answer.refused(404, "not_found");
    }
    let counted = client.get("/auth/metrics").send().await.expect(200).text();
    let served = |route: &str| format!("route=\"{route}\",status=\"200\"}} 2");
    assert!(counted.contains(&served("/auth/")), "{counted}");
}

// Seed row 102.
#[tokio::test]
async fn the_start_says_where_it_runs_and_what_to_type() {
    let (server, _client) = start(&[]);
    let said = server.stdout();
    assert!(
        said.contains(&format!("Running on {}", server.url("/"))),
        "{said}"
    );
    assert!(
        said.contains("(new)") && said.contains("SQLite") && said.contains("/register"),
        "{said}"
    );
    let exit = server.cli(&[
        "serve",
        "--listen",
        &server.addr().to_string(),
        "--data",
        "elsewhere",
    ]);
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("--listen 127.0.0.1:"), "{exit:?}");
    let second = server.home().try_start().unwrap_err();
    assert!(
        second.stderr.contains(&server.pid().to_string()),
        "{second:?}"
    );
}
