//! `/admin/sessions`.

use crate::support::*;

#[tokio::test]
async fn what_is_no_session_is_not_found() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    for id in [NOBODY, "x", "%ff", "%00"] {
        let answer = client
            .delete(&format!("/admin/sessions/{id}"))
            .bearer(&root)
            .send()
            .await;
        assert!(matches!(answer.status, 400 | 404), "{id} {answer:?}");
        well_formed(&answer);
    }
    for query in ["cursor=x", "limit=x"] {
        let answer = client
            .get(&format!("/admin/sessions?{query}"))
            .bearer(&root)
            .send()
            .await;
        assert_eq!(answer.status, 400);
        well_formed(&answer);
    }
}

// Seed row 66.
#[tokio::test]
async fn sessions_are_listed_and_ended_one_or_all() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    let ada = newcomer(&client, "ada").await;
    let bob = newcomer(&client, "bob").await;
    let list = client
        .get("/admin/sessions?limit=2")
        .bearer(&root)
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(list["sessions"].as_array().unwrap().len(), 2);
    let next = format!("/admin/sessions?cursor={}", list["next"].as_str().unwrap());
    let rest = client
        .get(&next)
        .bearer(&root)
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(rest["sessions"][0]["id"], claims(&bob.access)["sid"]);
    let path = format!(
        "/admin/sessions/{}",
        claims(&ada.access)["sid"].as_str().unwrap()
    );
    client.delete(&path).bearer(&root).send().await.expect(204);
    protected(&client, &ada.access)
        .await
        .refused(401, "token_revoked");
    refresh(&client, &ada.refresh)
        .await
        .refused(401, "refresh_invalid");
    client
        .delete(&path)
        .bearer(&root)
        .send()
        .await
        .refused(404, "not_found");
    protected(&client, &bob.access).await.expect(200);
    client
        .delete("/admin/sessions")
        .bearer(&root)
        .send()
        .await
        .expect(204);
    for token in [&bob.access, &root] {
        protected(&client, token)
            .await
            .refused(401, "token_revoked");
    }
    refresh(&client, &bob.refresh)
        .await
        .refused(401, "refresh_invalid");
    let again = login(&client, "bob").await;
    protected(&client, &again.access).await.expect(200);
}
