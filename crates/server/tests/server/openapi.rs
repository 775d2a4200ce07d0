//! `/openapi.json` says what there is, no less and no more; `docs/reference` holds what it says.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::*;

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Compares a generated page with the one in the repository; `UPDATE=1` writes it.
pub(crate) fn same_as_committed(path: &str, generated: &str) {
    let file = repository(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == generated,
        "{path} is not what the program says: run with UPDATE=1 to renew it"
    );
}

#[tokio::test]
async fn the_committed_document_is_the_served_one() {
    let (_server, client) = start(&[("server.public_url", "http://127.0.0.1:5000")]);
    let answer = client.get("/openapi.json").send().await.expect(200);
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("application/json")
    );
    let generated = format!(
        "{}\n",
        serde_json::to_string_pretty(&answer.json()).unwrap()
    );
    same_as_committed("docs/reference/openapi.json", &generated);
}

#[test]
fn the_committed_list_of_errors_is_the_programs() {
    same_as_committed(
        "docs/reference/errors.md",
        &countersign_server::http::codes::reference(),
    );
}

#[tokio::test]
async fn operation_ids_are_unique_and_every_operation_exists() {
    let (_server, client) = start(&[]);
    let operations = operations(&client).await;
    let ids: BTreeSet<_> = operations.iter().map(|o| &o.id).collect();
    assert_eq!(ids.len(), operations.len());
    for operation in &operations {
        let answer = operation.request(&client).send().await;
        assert!(
            ![404, 405].contains(&answer.status) && answer.status < 500,
            "{operation:?} {answer:?}"
        );
        // What it answers stands in the document, by number or by class.
        let document = client.get("/openapi.json").send().await.json();
        let responses =
            &document["paths"][&operation.template][operation.method.to_lowercase()]["responses"];
        let status = answer.status.to_string();
        let class = format!("{}XX", answer.status / 100);
        assert!(
            responses.get(&status).or(responses.get(&class)).is_some(),
            "{status} of {operation:?}"
        );
    }
}

/// Routes come from the declarations that the document is made of. What is added by hand to the
/// router would be missing from it: only the pages and a style sheet are.
#[test]
fn every_route_is_documented() {
    let source = include_str!("../../src/http/mod.rs");
    let by_hand: Vec<_> = source
        .lines()
        .map(str::trim)
        .filter(|line| {
            let adds = [".route(", "get(", "post(", "put(", "patch(", "delete("];
            adds.iter().any(|word| line.contains(word))
        })
        .collect();
    assert_eq!(
        by_hand,
        [
            "(\"/\", get(home::home)),",
            "(\"/home.css\", get(home::style)),",
            "(\"/sign-in\", get(sign_in::show).post(sign_in::submit)),",
            "pages.push((\"/metrics\", get(metrics::metrics)));",
            ".fold(routes, |routes, (path, page)| routes.route(path, page));",
            "let home = get(home::home).with_state(Arc::clone(&site));",
            "refusing(routes.route(&format!(\"{below}/\"), home))",
        ]
    );
    let page = include_str!("../../src/http/home.html");
    assert!(page.contains("/openapi.json"));
}

/// Every code in the document's texts is one of the list, and so is every one that tests meet.
#[tokio::test]
async fn codes_named_in_the_document_are_in_the_list() {
    let listed: BTreeSet<_> = countersign_server::http::codes::CODES
        .iter()
        .map(|known| known.code)
        .collect();
    let (_server, client) = start(&[]);
    let document = client.get("/openapi.json").send().await.json();
    let mut named = 0;
    let paths = document["paths"].as_object().unwrap();
    for operation in paths
        .iter()
        .filter(|(path, _)| !path.starts_with("/oauth2/")) // whose words are RFC 6749's
        .flat_map(|(_, methods)| methods.as_object().unwrap().values())
    {
        for (status, response) in operation["responses"].as_object().unwrap() {
            if status.starts_with('2') {
                continue;
            }
            let text = response["description"].as_str().unwrap_or_default();
            for code in text.split('`').skip(1).step_by(2) {
                assert!(listed.contains(code), "{code} in {text}");
                named += 1;
            }
        }
    }
    assert!(named > 20, "{named}");
}
