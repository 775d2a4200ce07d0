//! What holds on every route: refusals are JSON, odd input is refused and harms nobody, headers are
//! careful. Seed rows 95, 103.

use countersign_testkit::{Client, Server, raw};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::*;

/// The body routes, with a credential that is good, so that the body is what is refused.
async fn body_routes(server: &Server, client: &Client) -> (Vec<Operation>, String) {
    let token = admin(server, "root").await.access;
    let routes: Vec<_> = operations(client)
        .await
        .into_iter()
        .filter(|o| o.has_body)
        .collect();
    assert!(routes.len() >= 12, "{}", routes.len());
    (routes, token)
}

async fn lives(client: &Client) {
    client.get("/readyz").send().await.expect(200);
}

#[tokio::test]
async fn refusals_of_the_framework_are_json_too() {
    let (_server, client) = start(&[]);
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/nowhere", 404, "not_found"),
        ("GET", "/login", 405, "method_not_allowed"),
        ("PUT", "/login", 405, "method_not_allowed"),
        ("DELETE", "/register", 405, "method_not_allowed"),
        ("FOO", "/login", 405, "method_not_allowed"),
        ("TRACE", "/login", 405, "method_not_allowed"),
        ("GET", "/login/", 404, "not_found"),
        ("GET", "//login", 404, "not_found"),
        ("GET", "/../etc/passwd", 404, "not_found"),
        ("GET", "/..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("GET", "/admin/%2e%2e/healthz", 404, "not_found"),
        ("GET", "/%ff%fe", 404, "not_found"),
        ("GET", "/home.css/../openapi.json", 404, "not_found"),
        ("GET", "/LOGIN", 404, "not_found"),
    ] {
        let answer = client.request(method, path).send().await;
        answer.refused(status, code);
        well_formed(&answer);
        assert!(
            !answer.text().contains("src/") && !answer.text().contains("panick"),
            "{answer:?}"
        );
        if status == 405 {
            assert!(
                answer
                    .header("allow")
                    .is_some_and(|allow| allow.contains("POST") || allow.contains("GET")),
                "{answer:?}"
            );
        }
    }
    let long = format!("/{}", "a/".repeat(3_000));
    client.get(&long).send().await.refused(404, "not_found");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "",
    ] {
        let request = client
            .post("/login")
            .header("content-type", kind)
            .body("{}");
        request.send().await.refused(415, "unsupported_media_type");
    }
    client
        .post("/login")
        .body("{}")
        .send()
        .await
        .refused(415, "unsupported_media_type");
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
    ] {
        client
            .post("/login")
            .header("content-type", kind)
            .body("{}")
            .send()
            .await
            .refused(400, "invalid_request");
    }
    let big = vec![b' '; 100_000];
    let answer = client
        .post("/login")
        .header("content-type", "application/json")
        .body(big)
        .send()
        .await;
    answer.refused(413, "body_too_large");
    well_formed(&answer);
    lives(&client).await;
}

#[tokio::test]
async fn what_is_not_one_strict_object_is_refused_by_every_route_that_takes_a_body() {
    let (server, client) = start(&[]);
    let (routes, token) = body_routes(&server, &client).await;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let bodies: Vec<Vec<u8>> = vec![
        b"{".to_vec(),
        b"}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"1".to_vec(),
        b"\"x\"".to_vec(),
        b"true".to_vec(),
        b" ".to_vec(),
        b"\0".to_vec(),
        b"{}{}".to_vec(),
        b"{} x".to_vec(),
        b"{'a':1}".to_vec(),
        b"{\"a\":1,}".to_vec(),
        b"{\"a\":NaN}".to_vec(),
        b"{\"a\":1e999}".to_vec(),
        b"{\"a\":-}".to_vec(),
        b"{\"a\":01}".to_vec(),
        b"{\"a\":1,\"a\":1}".to_vec(),
        b"{\"a\":{\"b\":1,\"b\":2}}".to_vec(),
        b"{\"a\":[{\"b\":1,\"\\u0062\":2}]}".to_vec(),
        b"{\"password\":\"x\",\"password\":\"y\"}".to_vec(),
        br#"{"a":"\ud800"}"#.to_vec(),
        br#"{"a":"\udc00\ud800"}"#.to_vec(),
        br#"{"\ud800":1}"#.to_vec(),
        b"{\"a\":\"\xff\"}".to_vec(),
        b"{\"a\":\"\xed\xa0\x80\"}".to_vec(),
        b"{\"a\":\"\n\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        deep.into_bytes(),
        vec![b'['; 60_000],
        b"{\"a\":".repeat(10_000),
    ];
    for route in &routes {
        for body in &bodies {
            let request = client.request(&route.method, &route.path).bearer(&token);
            let request = request
                .header("content-type", "application/json")
                .body(body.clone());
            let answer = request.send().await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answer.status, 400, "{} {shown}: {answer:?}", route.id);
            well_formed(&answer);
            assert!(
                route.is_dialect() || answer.code() == "invalid_json",
                "{} {shown}: {answer:?}",
                route.id
            );
        }
    }
    lives(&client).await;
}

#[tokio::test]
async fn odd_values_are_refused_or_taken_and_never_a_server_error() {
    let (server, client) = start(&[]);
    let (routes, token) = body_routes(&server, &client).await;
    let names = [
        "username",
        "email",
        "password",
        "mode",
        "refresh_token",
        "all",
        "current_password",
        "new_password",
        "roles",
        "disabled",
        "name",
        "kind",
    ];
    let huge: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    let values = [
        json!(null),
        json!(0),
        json!(-1),
        huge,
        json!(1.5e300),
        json!(""),
        json!("\u{0}"),
        json!("\u{feff}"),
        json!("\u{202e}x"),
        json!("\u{1f469}\u{200d}\u{1f469}"),
        json!("a".repeat(5_000)),
        json!(["a", ["b"]]),
        json!({"$ne": 1}),
        json!(true),
        json!("\u{fdfa}".repeat(18)),
    ];
    for route in &routes {
        for value in &values {
            let body: Value = names
                .iter()
                .map(|name| (name.to_string(), value.clone()))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let answer = client
                .request(&route.method, &route.path)
                .bearer(&token)
                .json(&body)
                .send()
                .await;
            // A logout without anything wrong in it is a logout.
            if answer.status == 200 && route.id == "logout" {
                continue;
            }
            if !(400..500).contains(&answer.status) {
                panic!("{} {body}: {answer:?}", route.id);
            }
            well_formed(&answer);
        }
    }
    lives(&client).await;
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        Just(json!(PASSWORD)),
        Just(json!("ada")),
        Just(json!("ada@example.com")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{0,12}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "username",
        "email",
        "password",
        "mode",
        "refresh_token",
        "all",
        "current_password",
        "new_password",
        "roles",
        "disabled",
        "name",
        "kind",
        "",
        "__proto__",
    ]);
    prop::collection::btree_map(name, any_json(), 0..8).prop_map(|map| {
        map.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

#[test]
fn no_json_whatever_makes_a_server_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, client) = start(&[]);
    let (routes, token) = runtime.block_on(body_routes(&server, &client));
    // The run is the same each time: a failure can be looked at again.
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = proptest::test_runner::TestRng::deterministic_rng(
        proptest::test_runner::RngAlgorithm::ChaCha,
    );
    let mut runner = TestRunner::new_with_rng(config, rng);
    let done = runner.run(&any_body(), |body| {
        for route in &routes {
            let request = client
                .request(&route.method, &route.path)
                .bearer(&token)
                .json(&body);
            let answer = runtime.block_on(request.send());
            prop_assert!(answer.status < 500, "{} {body}: {answer:?}", route.id);
        }
        Ok(())
    });
    done.unwrap();
    runtime.block_on(lives(&client));
}

#[tokio::test]
async fn odd_headers_are_refused_and_never_skipped() {
    let (server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let good = format!("__Host-token={}", ada.access);
    for odd in [
        b", ,".as_slice(),
        b"Bearer",
        b"Bearer ",
        b"Bearer a b",
        b"Bearer \xff\xfe",
        b"\xe4\xf6",
        b"Bearer a, Bearer b",
        b"Bearer \"x\"",
        b"{}",
        b"Bearer null",
        b"Bearer undefined",
    ] {
        let answer = client
            .get("/protected")
            .header("authorization", odd)
            .cookie(&good)
            .send()
            .await;
        answer.refused(401, "token_malformed");
        well_formed(&answer);
    }
    let twice = client
        .get("/protected")
        .bearer(&ada.access)
        .bearer(&ada.access)
        .send()
        .await;
    twice.refused(401, "token_malformed");
    // Somebody else's scheme is nobody's credential.
    for other in ["Basic YTpi", "Digest x", "", "Token abc"] {
        let answer = client
            .get("/protected")
            .header("authorization", other)
            .send()
            .await;
        answer.refused(401, "token_missing");
    }
    for scheme in ["bearer", "BEARER", "Bearer  "] {
        let answer = client
            .get("/protected")
            .header("authorization", format!("{scheme} {}", ada.access))
            .send()
            .await;
        answer.expect(200);
    }
    let many = (0..40).fold(
        client.get("/protected").bearer(&ada.access),
        |request, n| request.header(&format!("x-{n}"), "\u{e4}\u{1f600}"),
    );
    many.send().await.expect(200);
    for odd in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET /protected HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}".to_owned(),
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\nConnection: close\r\n\r\n".to_owned(),
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}".to_owned(),
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /protected HTTP/1.1\r\nHost: x\r\nA\u{0}b: c\r\nConnection: close\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\nConnection: close\r\n\r\n", "a".repeat(20_000)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}Connection: close\r\n\r\n", "A: b\r\n".repeat(500)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(70_000)),
    ] {
        let answer = String::from_utf8_lossy(&raw(server.addr(), &odd).await).into_owned();
        assert!(!answer.starts_with("HTTP/1.1 5"), "{odd:.60}: {answer}");
        lives(&client).await;
    }
    let head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
        "a".repeat(20_000)
    );
    let answer = raw(server.addr(), head).await;
    // The answer may be lost when the rest of the head is still on its way.
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
}

#[tokio::test]
async fn every_answer_is_named_careful_and_not_stored() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let mut ids = Vec::new();
    for operation in operations(&client).await {
        for answer in [
            operation.request(&client).send().await,
            operation.request(&client).bearer(&ada.access).send().await,
        ] {
            assert_eq!(
                answer.header("x-content-type-options").as_deref(),
                Some("nosniff"),
                "{operation:?}"
            );
            assert_eq!(answer.header("x-frame-options").as_deref(), Some("DENY"));
            assert_eq!(
                answer.header("referrer-policy").as_deref(),
                Some("no-referrer")
            );
            let public = ["jwks", "metadata", "openapi"].contains(&operation.id.as_str());
            let cache = answer.header("cache-control").unwrap();
            assert!(
                cache
                    == if public {
                        "public, max-age=60"
                    } else {
                        "no-store"
                    },
                "{operation:?} {cache}"
            );
            assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none());
            ids.push(answer.header("x-request-id").unwrap());
            if operation.id == "logout" {
                break;
            }
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "each request has an id of its own");
}

// A forged request id must not reach the log as ours.
#[tokio::test]
async fn a_clients_request_id_is_not_taken_over() {
    let (server, client) = start(&[]);
    let answer = client
        .get("/healthz")
        .header("x-request-id", "made-up-by-a-client")
        .send()
        .await;
    assert_ne!(
        answer.header("x-request-id").unwrap(),
        "made-up-by-a-client"
    );
    server.wait_for_log(&answer.header("x-request-id").unwrap());
    assert!(!server.stderr().contains("made-up-by-a-client"));
}
