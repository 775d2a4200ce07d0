//! `/admin/keys`.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn what_is_no_key_is_not_found_and_a_shared_secret_has_no_keys_to_manage() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    for kid in ["none", "%ff", "%00", &"a".repeat(1000)] {
        let answer = client
            .delete(&format!("/admin/keys/{kid}"))
            .bearer(&root)
            .send()
            .await;
        assert!(matches!(answer.status, 400 | 404), "{kid} {answer:?}");
        well_formed(&answer);
    }
    let (server, client) = start(&[("JWT_SECRET_KEY", JWT_SECRET)]);
    let root = admin(&server, "root").await.access;
    client
        .post("/admin/keys/rotate")
        .bearer(&root)
        .send()
        .await
        .refused(409, "shared_secret");
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    let old = parts(&root).0["kid"].clone();
    let new = client
        .post("/admin/keys/rotate")
        .bearer(&root)
        .send()
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&new["phase"], &new["alg"]),
        (&json!("published"), &json!("ES256"))
    );
    let jwks = client.get("/.well-known/jwks.json").send().await.json();
    let kids: Vec<_> = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].clone())
        .collect();
    assert!(
        kids.len() == 2 && kids.contains(&old) && kids.contains(&new["kid"]),
        "{kids:?}"
    );
    assert_eq!(parts(&login(&client, "root").await.access).0["kid"], old);
    let list = client
        .get("/admin/keys")
        .bearer(&root)
        .send()
        .await
        .expect(200);
    assert_eq!(list.json()["keys"].as_array().unwrap().len(), 2);
    for private in ["\"d\"", "private", "sealed"] {
        assert!(
            !list.text().contains(private) && !jwks.to_string().contains(private),
            "{private}"
        );
    }
}

#[tokio::test]
async fn a_revoked_key_verifies_nothing_from_the_next_request_on() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await;
    let kid = parts(&root.access).0["kid"].as_str().unwrap().to_owned();
    client
        .delete(&format!("/admin/keys/{kid}"))
        .bearer(&root.access)
        .send()
        .await
        .expect(204);
    protected(&client, &root.access)
        .await
        .refused(401, "token_signature_invalid");
    // Sessions are not keys: a refresh brings a token under the new one.
    let root = Login::from(&refresh(&client, &root.refresh).await.expect(200));
    assert_ne!(parts(&root.access).0["kid"].as_str().unwrap(), kid);
    protected(&client, &root.access).await.expect(200);
    let jwks = client.get("/.well-known/jwks.json").send().await;
    assert!(!jwks.text().contains(&kid));
}
