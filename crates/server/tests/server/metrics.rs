//! `GET /metrics`, and the dashboard that reads it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use countersign_testkit::Client;
use serde_json::json;

use crate::support::*;

/// Each sample by its name and labels, as they stand on the page.
async fn samples(client: &Client) -> BTreeMap<String, f64> {
    let answer = client.get("/metrics").send().await.expect(200);
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let page = answer.text();
    assert!(page.ends_with("# EOF\n"), "{page}");
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    page.lines()
        .filter(|line| !line.starts_with('#'))
        .map(sample)
        .collect()
}

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn with_a_listener_of_their_own_they_stand_nowhere_else() {
    let (_server, client) = start(&[]);
    client
        .post("/metrics")
        .send()
        .await
        .refused(405, "method_not_allowed");
    client.get("/metrics").send().await.expect(200);

    let address = free_address();
    let (_server, client) = start(&[("metrics.listen", &address.to_string())]);
    client
        .get("/metrics")
        .send()
        .await
        .refused(404, "not_found");
    let apart = Client::new(address);
    assert!(samples(&apart).await["countersign_ready"] == 1.0);
    for path in ["/login", "/", "/openapi.json", "/healthz"] {
        apart.get(path).send().await.refused(404, "not_found");
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = set(home(), &[("metrics.listen", &address)]);
    let ran = home.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr.contains("metrics.listen") && ran.stderr.contains(&address),
        "{ran:?}"
    );
}

#[tokio::test]
async fn requests_logins_and_what_is_held_are_counted_and_nobody_is_named() {
    let (server, client) = start(&[]);
    let before = samples(&client).await;
    let ada = newcomer(&client, "ada.lovelace").await;
    let wrong = json!({"username": "ada.lovelace", "password": "not-the-password"});
    client.post("/login").json(&wrong).send().await.expect(401);
    client.get("/nowhere/ada.lovelace").send().await.expect(404);
    client.request("BREW", "/login").send().await.expect(405);
    let other = login(&client, "ada.lovelace").await;
    logout(&client, &other.access).await.expect(200);
    // Named, so that it counts as a follower.
    let seq = client
        .get("/revocations?follower=a&lease=30")
        .send()
        .await
        .json()["seq"]
        .clone();
    let after = samples(&client).await;
    for (name, value) in [
        ("logins_total{outcome=\"success\"}", 2.0),
        ("logins_total{outcome=\"invalid_credentials\"}", 1.0),
        (
            "http_requests_total{method=\"GET\",route=\"(none)\",status=\"404\"}",
            1.0,
        ),
        (
            "http_requests_total{method=\"other\",route=\"/login\",status=\"405\"}",
            1.0,
        ),
        (
            "http_requests_total{method=\"POST\",route=\"/logout\",status=\"200\"}",
            1.0,
        ),
        (
            "http_request_duration_seconds_count{method=\"POST\",route=\"/logout\"}",
            1.0,
        ),
        ("floors", 1.0),
        ("followers", 1.0),
        ("followers_behind", 1.0),
        ("hashes_waiting", 0.0),
        ("log_position", seq.as_f64().unwrap()),
        ("ready", 1.0),
    ] {
        let found = after.get(&format!("countersign_{name}"));
        assert_eq!(found, Some(&value), "{name}: {after:#?}");
    }
    for rising in [
        "hashes_total",
        "database_units_total",
        "database_commits_total",
    ] {
        let name = format!("countersign_{rising}");
        assert!(after[&name] > before[&name], "{name}");
    }
    assert!(after["countersign_process_resident_memory_bytes"] > 1e6);
    let page = client.get("/metrics").send().await.text();
    for secret in ["ada", &ada.access, &ada.refresh, "127.0.0.1"] {
        assert!(!page.contains(secret), "{secret} in {page}");
    }
    drop(server);
}

#[tokio::test]
async fn the_dashboard_asks_for_nothing_that_is_not_there() {
    let (_server, client) = start(&[]);
    newcomer(&client, "ada").await;
    let there = samples(&client).await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/grafana.json");
    let text = std::fs::read_to_string(file).unwrap();
    let _: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut asked = 0;
    for tail in text.split("countersign_").skip(1) {
        let end = tail
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap();
        let name = format!("countersign_{}", &tail[..end]);
        let known = there
            .keys()
            .any(|sample| sample.split('{').next() == Some(&name));
        assert!(known, "{name} is not measured");
        asked += 1;
    }
    assert!(asked > 10, "{asked}");
}
