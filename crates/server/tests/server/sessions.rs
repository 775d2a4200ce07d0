//! `/sessions`: one's devices.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn nobody_ends_a_session_that_is_not_theirs() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let bob = newcomer(&client, "bob").await;
    let bobs = claims(&bob.access)["sid"].as_str().unwrap().to_owned();
    for id in [
        bobs.as_str(),
        NOBODY,
        "x",
        "%00",
        "%ff",
        "..%2f..",
        "1%27%20OR%201=1",
        &"a".repeat(500),
    ] {
        let answer = client
            .delete(&format!("/sessions/{id}"))
            .bearer(&ada.access)
            .send()
            .await;
        assert!(matches!(answer.status, 400 | 404), "{id}: {answer:?}");
        well_formed(&answer);
    }
    protected(&client, &bob.access).await.expect(200);
}

#[tokio::test]
async fn devices_are_listed_and_ended_one_by_one() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    let body = json!({"username": "ada", "password": PASSWORD});
    let answer = client
        .post("/login")
        .header("user-agent", "Phone/1\u{e4}")
        .json(&body)
        .send()
        .await
        .expect(200);
    let phone = Login::from(&answer);
    let here = login(&client, "ada").await;
    newcomer(&client, "bob").await;
    let list = async || {
        client
            .get("/sessions")
            .bearer(&here.access)
            .send()
            .await
            .expect(200)
            .json()["sessions"]
            .clone()
    };
    let sessions = list().await;
    assert_eq!(sessions.as_array().unwrap().len(), 2, "{sessions}");
    let of = |login: &Login| {
        let sid = claims(&login.access)["sid"].clone();
        sessions
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["id"] == sid)
            .unwrap()
            .clone()
    };
    let (phone_row, here_row) = (of(&phone), of(&here));
    assert_eq!(
        (&phone_row["current"], &here_row["current"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(phone_row["user_id"], claims(&phone.access)["sub"]);
    assert_eq!(phone_row["address"], json!("127.0.0.1"));
    assert!(
        phone_row["user_agent"]
            .as_str()
            .unwrap()
            .starts_with("Phone/1")
    );
    for at in ["created_at", "last_used_at", "expires_at"] {
        assert!(phone_row[at].as_i64().unwrap() > 1_700_000_000, "{at}");
    }
    let path = format!("/sessions/{}", phone_row["id"].as_str().unwrap());
    client
        .delete(&path)
        .bearer(&here.access)
        .send()
        .await
        .expect(204);
    protected(&client, &phone.access)
        .await
        .refused(401, "token_revoked");
    refresh(&client, &phone.refresh)
        .await
        .refused(401, "refresh_invalid");
    client
        .delete(&path)
        .bearer(&here.access)
        .send()
        .await
        .refused(404, "not_found");
    assert_eq!(list().await.as_array().unwrap().len(), 1);
    // Ending the one that asks is signing out.
    let own = format!("/sessions/{}", here_row["id"].as_str().unwrap());
    client
        .delete(&own)
        .bearer(&here.access)
        .send()
        .await
        .expect(204);
    protected(&client, &here.access)
        .await
        .refused(401, "token_revoked");
}
