//! CORS: nothing by default, then exact origins. Seed rows 81, 96.

use countersign_testkit::{Client, Response};

use crate::support::*;

async fn preflight(client: &Client, origin: &str) -> Response {
    client
        .request("OPTIONS", "/profile")
        .header("origin", origin)
        .header("access-control-request-method", "PATCH")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .send()
        .await
}

fn cors_headers(answer: &Response) -> Vec<String> {
    answer
        .headers
        .keys()
        .map(ToString::to_string)
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

#[tokio::test]
async fn without_origins_there_is_no_cors() {
    let (_server, client) = start(&[]);
    for answer in [
        preflight(&client, "https://app.example.com").await,
        client
            .get("/protected")
            .header("origin", "https://app.example.com")
            .send()
            .await,
        client
            .get("/.well-known/jwks.json")
            .header("origin", "null")
            .send()
            .await,
    ] {
        assert_eq!(cors_headers(&answer), Vec::<String>::new(), "{answer:?}");
    }
}

#[tokio::test]
async fn named_origins_and_only_those_may_read_answers() {
    let (_server, client) = start(&[(
        "cors.origins",
        "https://app.example.com,http://localhost:3000",
    )]);
    let ada = newcomer(&client, "ada").await;
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "https://app.example.com:444",
        "*",
    ] {
        let answer = preflight(&client, origin).await;
        assert!(
            answer.header("access-control-allow-origin").is_none(),
            "{answer:?}"
        );
        let answer = client
            .get("/protected")
            .header("origin", origin)
            .bearer(&ada.access)
            .send()
            .await;
        assert!(
            answer.header("access-control-allow-origin").is_none(),
            "{answer:?}"
        );
    }
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        let answer = preflight(&client, origin).await;
        assert!(answer.status < 300);
        let header = |name: &str| answer.header(name).unwrap_or_default().to_lowercase();
        assert_eq!(header("access-control-allow-origin"), origin);
        assert_eq!(header("access-control-allow-credentials"), "true");
        for method in ["get", "post", "patch", "delete"] {
            assert!(header("access-control-allow-methods").contains(method));
        }
        assert!(header("access-control-allow-headers").contains("authorization"));
        assert!(header("vary").contains("origin"), "{answer:?}");
        // Refusals, too: a program there must see why.
        for answer in [
            client
                .get("/protected")
                .header("origin", origin)
                .bearer(&ada.access)
                .send()
                .await
                .expect(200),
            client
                .get("/protected")
                .header("origin", origin)
                .send()
                .await
                .expect(401),
            client
                .get("/nowhere")
                .header("origin", origin)
                .send()
                .await
                .expect(404),
        ] {
            assert_eq!(
                answer.header("access-control-allow-origin").as_deref(),
                Some(origin)
            );
            assert_eq!(
                answer.header("access-control-allow-credentials").as_deref(),
                Some("true")
            );
            assert!(
                answer
                    .header("access-control-expose-headers")
                    .unwrap()
                    .contains("retry-after")
            );
        }
    }
}
