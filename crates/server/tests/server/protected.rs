//! `GET /protected`: the sample that every tutorial has. Seed rows 40, 55, 59, 60.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn it_takes_get_only() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = client
            .request(method, "/protected")
            .bearer(&ada.access)
            .send()
            .await;
        answer.refused(405, "method_not_allowed");
    }
    // RFC 6750, section 5.3: tokens in a query string are ignored.
    let answer = client
        .get(&format!("/protected?access_token={}", ada.access))
        .send()
        .await;
    answer.refused(401, "token_missing");
}

#[tokio::test]
async fn it_says_who_is_signed_in_by_username_else_by_email() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let answer = protected(&client, &ada.access).await.expect(200);
    assert_eq!(answer.json(), json!({"logged_in_as": "ada"}));
    assert!(answer.cookies().is_empty());
    let body = json!({"email": "bob@example.com", "password": PASSWORD});
    client
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    let bob = Login::from(&client.post("/login").json(&body).send().await.expect(200));
    let answer = protected(&client, &bob.access).await.expect(200);
    assert_eq!(answer.json(), json!({"logged_in_as": "bob@example.com"}));
    for mode in ["cookie", "session"] {
        let browser = client.jar();
        login_in(&browser, "ada", mode).await;
        assert_eq!(
            browser.get("/protected").send().await.json(),
            json!({"logged_in_as": "ada"}),
            "{mode}"
        );
    }
}
