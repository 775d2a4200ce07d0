//! `/oauth2/introspect` (RFC 7662), `/oauth2/revoke` (RFC 7009), and `POST /admin/tokens/revoke`.

use countersign_testkit::{Client, Response};
use serde_json::json;

use crate::support::*;

fn form(token: &str) -> String {
    format!("token={token}")
}

async fn ask(client: &Client, credentials: &str, token: &str) -> Response {
    client
        .post("/oauth2/introspect")
        .header("authorization", credentials)
        .form(&form(token))
        .send()
        .await
}

async fn take_back(client: &Client, token: &str) -> Response {
    client
        .post("/oauth2/revoke")
        .form(&form(token))
        .send()
        .await
}

#[track_caller]
fn refused_as_oauth_says(answer: &Response, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.json()["error"], error, "{answer:?}");
    assert!(answer.json().get("code").is_none(), "{answer:?}");
    well_formed(answer);
}

#[tokio::test]
async fn refusals_have_oauths_shape_those_of_the_framework_too() {
    let (server, client) = start(&[]);
    let credentials = service(&server, "shop");
    let ada = newcomer(&client, "ada").await;
    let bearer = format!("Bearer {}", ada.access);
    let wrong = basic("shop", "not-its-secret");
    let unknown = basic("nobody", "x");
    for credentials in [
        None,
        Some(bearer),
        Some(wrong),
        Some(unknown),
        Some("Basic !".into()),
    ] {
        let mut request = client.post("/oauth2/introspect").form(&form(&ada.access));
        if let Some(value) = &credentials {
            request = request.header("authorization", value);
        }
        refused_as_oauth_says(&request.send().await, 401, "invalid_client");
    }
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        let post = || client.post(path).header("authorization", &credentials);
        for body in [
            "",
            "token=",
            "tok=x",
            "token=a&token=b",
            "token&token",
            "%ff",
        ] {
            let answer = post().form(body).send().await;
            refused_as_oauth_says(&answer, 400, "invalid_request");
        }
        let answer = post().json(&json!({"token": ada.access})).send().await;
        refused_as_oauth_says(&answer, 415, "invalid_request");
        let answer = post().form(&form(&"x".repeat(100_000))).send().await;
        refused_as_oauth_says(&answer, 413, "invalid_request");
        let answer = client.get(path).send().await;
        refused_as_oauth_says(&answer, 405, "invalid_request");
    }
    let answer = client.get("/oauth2/nowhere").send().await;
    refused_as_oauth_says(&answer, 404, "invalid_request");
    assert_eq!(protected(&client, &ada.access).await.status, 200);
}

#[tokio::test]
async fn a_service_learns_of_a_living_access_token_and_of_nothing_else() {
    let (server, client) = start(&[("session.refresh_grace", "0s")]);
    let credentials = service(&server, "shop");
    let ada = newcomer(&client, "ada").await;
    let mut changed = ada.access.clone();
    changed.replace_range(60..61, if &changed[60..61] == "A" { "B" } else { "A" });
    for token in [
        &*ada.refresh,
        &*changed,
        "a.b.c",
        "%00",
        "%F0%9F%8D%8B",
        &*"x".repeat(5_000),
    ] {
        let answer = ask(&client, &credentials, token).await.expect(200);
        assert_eq!(answer.json(), json!({"active": false}), "{token}");
    }
    let answer = ask(&client, &credentials, &ada.access).await.expect(200);
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    let (said, token) = (answer.json(), claims(&ada.access));
    assert_eq!(said["active"], true);
    assert_eq!(
        (&said["username"], &said["token_type"]),
        (&json!("ada"), &json!("Bearer"))
    );
    for name in [
        "client_id",
        "exp",
        "iat",
        "nbf",
        "sub",
        "iss",
        "jti",
        "sid",
        "roles",
        "fresh",
    ] {
        assert_eq!(said[name], token[name], "{name}");
    }
    // The hint says where to look first, and nothing more (RFC 7662, section 2.1).
    let hinted = format!("token_type_hint=refresh_token&{}", form(&ada.access));
    let answer = client
        .post("/oauth2/introspect")
        .header("authorization", &credentials)
        .form(&hinted);
    assert_eq!(answer.send().await.expect(200).json()["active"], true);
    logout(&client, &ada.access).await.expect(200);
    let answer = ask(&client, &credentials, &ada.access).await.expect(200);
    assert_eq!(answer.json(), json!({"active": false}));
}

#[tokio::test]
async fn whoever_holds_a_token_takes_it_back() {
    let (server, client) = start(&[]);
    let credentials = service(&server, "shop");
    let ada = newcomer(&client, "ada").await;
    let other = login(&client, "ada").await;
    for nothing in ["a.b.c", "x", "%00"] {
        let answer = take_back(&client, nothing).await.expect(200);
        assert!(answer.body.is_empty(), "{answer:?}");
    }
    for _ in 0..2 {
        take_back(&client, &ada.access).await.expect(200);
        protected(&client, &ada.access)
            .await
            .refused(401, "token_revoked");
    }
    let answer = ask(&client, &credentials, &ada.access).await;
    assert_eq!(answer.json(), json!({"active": false}));
    let next = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
    protected(&client, &next.access).await.expect(200);
    take_back(&client, &next.refresh).await.expect(200);
    protected(&client, &next.access)
        .await
        .refused(401, "token_revoked");
    refresh(&client, &next.refresh)
        .await
        .refused(401, "refresh_invalid");
    protected(&client, &other.access).await.expect(200);
}

#[tokio::test]
async fn only_an_administrator_withdraws_a_token_by_its_id() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await;
    let ada = newcomer(&client, "ada").await;
    let other = login(&client, "ada").await;
    let post = |body| client.post("/admin/tokens/revoke").json(&body);
    let by_id = json!({"jti": claims(&ada.access)["jti"]});
    post(by_id.clone())
        .send()
        .await
        .refused(401, "token_missing");
    post(by_id.clone())
        .bearer(&ada.access)
        .send()
        .await
        .refused(403, "forbidden");
    for wrong in [
        json!({}),
        json!({"token": "a.b.c"}),
        json!({"token": ada.refresh}),
        json!({"token": other.access, "jti": "x"}),
        json!({"jti": ""}),
        json!({"jti": 7}),
        json!({"jti": "x".repeat(200)}),
    ] {
        let answer = post(wrong).bearer(&root.access).send().await;
        answer.refused(400, "invalid_request");
        assert!(!answer.text().contains("a.b.c"), "{answer:?}");
    }
    protected(&client, &ada.access).await.expect(200);
    post(by_id).bearer(&root.access).send().await.expect(204);
    protected(&client, &ada.access)
        .await
        .refused(401, "token_revoked");
    protected(&client, &other.access).await.expect(200);
    let by_text = json!({"token": other.access});
    post(by_text).bearer(&root.access).send().await.expect(204);
    protected(&client, &other.access)
        .await
        .refused(401, "token_revoked");
    refresh(&client, &other.refresh).await.expect(200);
}
