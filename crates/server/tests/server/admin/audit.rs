//! `/admin/audit`.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_cursor_that_was_never_given_is_refused() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    for query in [
        "cursor=x",
        "cursor=99999999999999999999999",
        "cursor=1.5",
        "limit=x",
    ] {
        let answer = client
            .get(&format!("/admin/audit?{query}"))
            .bearer(&root)
            .send()
            .await;
        assert_eq!(answer.status, 400, "{query} {answer:?}");
        well_formed(&answer);
    }
    for query in [
        "cursor=-1",
        "cursor=0",
        "cursor=9223372036854775807",
        "cursor=-9223372036854775808",
        "limit=-1",
    ] {
        client
            .get(&format!("/admin/audit?{query}"))
            .bearer(&root)
            .send()
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn who_did_what_to_whom_is_recorded_and_no_secret_is() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await;
    let ada = newcomer(&client, "ada").await;
    let id = claims(&ada.access)["sub"].as_str().unwrap().to_owned();
    let path = format!("/admin/users/{id}");
    client
        .patch(&path)
        .bearer(&root.access)
        .json(&json!({"roles": ["x"]}))
        .send()
        .await
        .expect(200);
    client
        .patch(&path)
        .bearer(&root.access)
        .json(&json!({"disabled": true}))
        .send()
        .await
        .expect(200);
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = format!("/admin/audit?limit=2{cursor}");
        let page = client
            .get(&page)
            .bearer(&root.access)
            .send()
            .await
            .expect(200);
        assert!(!page.text().contains(PASSWORD) && !page.text().contains("argon2"));
        let page = page.json();
        events.extend(page["events"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let seqs: Vec<_> = events
        .iter()
        .map(|event| event["seq"].as_i64().unwrap())
        .collect();
    assert!(
        seqs.windows(2).all(|pair| pair[0] > pair[1]),
        "latest first, each once: {seqs:?}"
    );
    let about: Vec<_> = events
        .iter()
        .filter(|event| event["subject"] == json!(id))
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        about,
        [
            "user.disabled",
            "user.roles_changed",
            "session.created",
            "user.created"
        ]
    );
    assert_eq!(events[0]["actor"], claims(&root.access)["sub"]);
    assert_eq!(events[0]["address"], json!("127.0.0.1"));
}
