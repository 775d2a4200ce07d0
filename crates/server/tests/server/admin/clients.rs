//! `/admin/clients`.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn names_and_kinds_that_are_not_allowed_are_refused() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "a b"}),
        json!({"name": 1}),
        json!({"name": "a".repeat(65)}),
        json!({"name": "shop", "kind": "app"}),
        json!({"name": "shop", "kind": "magic"}),
        json!({"name": "shop", "kind": "first_party"}),
    ] {
        let answer = client
            .post("/admin/clients")
            .bearer(&root)
            .json(&body)
            .send()
            .await;
        assert_eq!(answer.status, 400, "{body} {answer:?}");
        well_formed(&answer);
    }
    for id in ["nobody", "%ff", "%00"] {
        let answer = client
            .delete(&format!("/admin/clients/{id}"))
            .bearer(&root)
            .send()
            .await;
        assert!(matches!(answer.status, 400 | 404), "{id} {answer:?}");
        well_formed(&answer);
    }
    // The built-in one issues every login.
    let answer = client
        .delete("/admin/clients/countersign")
        .bearer(&root)
        .send()
        .await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    protected(&client, &root).await.expect(200);
}

#[tokio::test]
async fn a_service_is_made_with_a_secret_that_is_shown_once() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    let body = json!({"name": "shop-api", "kind": "service"});
    let made = client
        .post("/admin/clients")
        .bearer(&root)
        .json(&body)
        .send()
        .await
        .expect(201)
        .json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.len() >= 22, "128 bits at least");
    client
        .post("/admin/clients")
        .bearer(&root)
        .json(&body)
        .send()
        .await
        .refused(409, "exists");
    let list = client
        .get("/admin/clients")
        .bearer(&root)
        .send()
        .await
        .expect(200);
    assert!(list.text().contains("shop-api") && !list.text().contains(&secret));
    assert!(!list.text().contains("secret"));
    let path = format!("/admin/clients/{}", made["id"].as_str().unwrap());
    client.delete(&path).bearer(&root).send().await.expect(204);
    client
        .delete(&path)
        .bearer(&root)
        .send()
        .await
        .refused(404, "not_found");
}
