//! `POST /refresh`: rotation, the grace, theft, and what becomes of cookies.

use std::time::Duration;

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_and_takes_the_cookies_away() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let answer = client.post("/refresh").send().await;
    answer.refused(401, "token_missing");
    let changed = |at: usize| {
        let mut bytes = ada.refresh.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let mut bad: Vec<String> = ["", "x", "a.b.c", "\u{e4}", "' OR 1=1 --"]
        .map(str::to_owned)
        .into();
    bad.extend([
        ada.access.clone(),
        format!("{}A", ada.refresh),
        ada.refresh.to_lowercase(),
        "A".repeat(5_000),
    ]);
    bad.extend((0..ada.refresh.len()).step_by(9).map(changed));
    for token in bad {
        let answer = refresh(&client, &token).await;
        answer.refused(401, "refresh_invalid");
        well_formed(&answer);
        let gone: Vec<_> = answer
            .cookies()
            .into_iter()
            .filter(|c| c.deletes())
            .map(|c| c.name)
            .collect();
        assert_eq!(
            gone,
            ["__Host-token", "__Host-refresh", "__Host-sessionId"],
            "{answer:?}"
        );
    }
    for body in [
        json!({"refresh_token": 1}),
        json!({"refresh_token": [ada.refresh]}),
    ] {
        client
            .post("/refresh")
            .json(&body)
            .send()
            .await
            .refused(400, "invalid_request");
    }
    // An access token is no refresh token, and the other way round.
    protected(&client, &ada.refresh)
        .await
        .refused(401, "token_malformed");
    refresh(&client, &ada.refresh).await.expect(200);
}

#[tokio::test]
async fn a_token_used_again_after_the_grace_ends_the_session() {
    let (_server, client) = start(&[("session.refresh_grace", "0s")]);
    let first = newcomer(&client, "ada").await;
    let second = Login::from(&refresh(&client, &first.refresh).await.expect(200));
    assert_ne!(first.refresh, second.refresh);
    let answer = refresh(&client, &first.refresh).await;
    answer.refused(401, "refresh_reused");
    assert_eq!(answer.cookies().iter().filter(|c| c.deletes()).count(), 3);
    // The thief and the owner are both out, at once: access tokens too.
    refresh(&client, &second.refresh)
        .await
        .refused(401, "refresh_invalid");
    for token in [&first.access, &second.access] {
        protected(&client, token)
            .await
            .refused(401, "token_revoked");
    }
    // Another session of the same person lives on.
    let other = login(&client, "ada").await;
    protected(&client, &other.access).await.expect(200);
}

#[tokio::test]
async fn the_grace_ends() {
    let (_server, client) = start(&[("session.refresh_grace", "1s")]);
    let first = newcomer(&client, "ada").await;
    refresh(&client, &first.refresh).await.expect(200);
    refresh(&client, &first.refresh).await.expect(200);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    refresh(&client, &first.refresh)
        .await
        .refused(401, "refresh_reused");
}

#[tokio::test]
async fn a_session_too_old_or_unused_for_too_long_is_expired() {
    let (_server, client) = start(&[("session.idle", "1s")]);
    let ada = newcomer(&client, "ada").await;
    let cookie = login_in(&client, "ada", "session")
        .await
        .cookie("__Host-sessionId")
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let answer = refresh(&client, &ada.refresh).await;
    answer.refused(401, "refresh_expired");
    assert_eq!(answer.cookies().len(), 3);
    let cookie = format!("__Host-sessionId={}", cookie.value);
    client
        .get("/profile")
        .cookie(&cookie)
        .send()
        .await
        .refused(401, "session_invalid");
}

#[tokio::test]
async fn twenty_tabs_at_once_all_go_on_with_one_successor() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let tabs: Vec<_> = (0..20)
        .map(|_| {
            let body = json!({"refresh_token": ada.refresh});
            tokio::spawn(client.post("/refresh").json(&body).send())
        })
        .collect();
    let mut successors = Vec::new();
    for tab in tabs {
        let login = Login::from(&tab.await.unwrap().expect(200));
        assert_eq!(claims(&login.access)["sid"], claims(&ada.access)["sid"]);
        successors.push(login.refresh);
    }
    successors.sort();
    successors.dedup();
    assert_eq!(successors.len(), 1, "{successors:?}");
    assert_ne!(successors[0], ada.refresh);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_brings_the_same_successor() {
    let (mut server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let lost = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
    server.restart();
    let again = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
    assert_eq!(lost.refresh, again.refresh);
    assert_ne!(lost.access, again.access);
    refresh(&client, &again.refresh).await.expect(200);
}

#[tokio::test]
async fn a_refresh_answers_in_the_mode_of_its_token() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let answer = refresh(&client, &ada.refresh).await.expect(200);
    assert!(answer.cookies().is_empty());
    let renewed = claims(&Login::from(&answer).access);
    assert_eq!(
        renewed["fresh"],
        json!(false),
        "fresh means straight after a password"
    );
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    let browser = client.jar();
    login_in(&browser, "ada", "cookie").await;
    let before = browser.stored("__Host-refresh").unwrap();
    let answer = browser.post("/refresh").send().await.expect(200);
    assert_eq!(
        answer.json(),
        json!({"message": "Refreshed", "expires_in": 900})
    );
    assert_ne!(browser.stored("__Host-refresh").unwrap(), before);
    browser.get("/profile").send().await.expect(200);
    // A session has nothing to refresh.
    let browser = client.jar();
    login_in(&browser, "ada", "session").await;
    let answer = browser.post("/refresh").send().await;
    answer.refused(401, "token_missing");
}
