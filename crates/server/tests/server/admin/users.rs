//! `/admin/users`.

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn what_is_no_user_or_no_value_is_refused() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    let ada = register(&client, "ada").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for id in [
        NOBODY,
        "x",
        "1",
        "%00",
        "%ff",
        "%2e%2e%2f",
        "ada",
        &"9".repeat(400),
    ] {
        for (method, path) in [
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("DELETE", "/sessions"),
        ] {
            let request = client
                .request(method, &format!("/admin/users/{id}{path}"))
                .bearer(&root);
            let request = if method == "PATCH" {
                request.json(&json!({"disabled": true}))
            } else {
                request
            };
            let answer = request.send().await;
            assert!(
                matches!(answer.status, 400 | 404),
                "{method} {id}: {answer:?}"
            );
            well_formed(&answer);
        }
    }
    let path = format!("/admin/users/{ada}");
    let roles: Vec<String> = (0..17).map(|n| format!("role{n}")).collect();
    for (body, field) in [
        (json!({"roles": "admin"}), "roles"),
        (json!({"roles": [1]}), "roles"),
        (json!({"roles": ["Admin"]}), "roles"),
        (json!({"roles": [""]}), "roles"),
        (json!({"roles": ["-x"]}), "roles"),
        (json!({"roles": ["a".repeat(33)]}), "roles"),
        (json!({"roles": roles}), "roles"),
        (json!({"disabled": "yes"}), "disabled"),
        (json!({"username": "a b"}), "username"),
        (json!({"email": "x"}), "email"),
    ] {
        let answer = client.patch(&path).bearer(&root).json(&body).send().await;
        answer.refused(400, "invalid_request");
        assert!(
            answer.json()["fields"][field].is_string(),
            "{body} {answer:?}"
        );
    }
    client
        .patch(&path)
        .bearer(&root)
        .json(&json!({"username": "root"}))
        .send()
        .await
        .refused(400, "username_taken");
    for query in [
        "cursor=x",
        "cursor=%00",
        "limit=x",
        "limit=99999999999999999999",
        "limit=1&limit=2",
        "limit=1.5",
        "cursor=' OR 1=1",
    ] {
        let answer = client
            .get(&format!("/admin/users?{}", query.replace(' ', "%20")))
            .bearer(&root)
            .send()
            .await;
        assert_eq!(answer.status, 400, "{query} {answer:?}");
        well_formed(&answer);
    }
    for query in [
        "limit=0",
        "limit=-5",
        "limit=9223372036854775807",
        "query=%25",
        "query=_",
        "query=%00",
        "query=%F4%8F%BF%BF",
        "x=1",
    ] {
        client
            .get(&format!("/admin/users?{query}"))
            .bearer(&root)
            .send()
            .await
            .expect(200);
    }
    let user = client
        .get(&path)
        .bearer(&root)
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(user["roles"], json!([]));
}

#[tokio::test]
async fn the_last_administrator_can_be_neither_demoted_nor_disabled_nor_deleted() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    let path = format!("/admin/users/{}", claims(&root)["sub"].as_str().unwrap());
    for body in [
        json!({"roles": []}),
        json!({"disabled": true}),
        json!({"roles": ["x"], "disabled": true}),
    ] {
        client
            .patch(&path)
            .bearer(&root)
            .json(&body)
            .send()
            .await
            .refused(409, "last_admin");
    }
    client
        .delete(&path)
        .bearer(&root)
        .send()
        .await
        .refused(409, "last_admin");
    let body = json!({"password": PASSWORD});
    client
        .delete("/profile")
        .bearer(&root)
        .json(&body)
        .send()
        .await
        .refused(409, "last_admin");
    client
        .post("/profile/delete")
        .bearer(&root)
        .json(&body)
        .send()
        .await
        .refused(409, "last_admin");
    client
        .get("/admin/users")
        .bearer(&root)
        .send()
        .await
        .expect(200);
}

#[tokio::test]
async fn of_two_administrators_who_demote_each_other_one_stays() {
    for round in 0..3 {
        let (server, client) = start(&[]);
        let (a, b) = (
            admin(&server, "a").await.access,
            admin(&server, "b").await.access,
        );
        let demote = |who: &str, by: &str| {
            let path = format!("/admin/users/{}", claims(who)["sub"].as_str().unwrap());
            let request = if round == 2 {
                client.delete(&path)
            } else {
                let body = if round == 0 {
                    json!({"roles": []})
                } else {
                    json!({"disabled": true})
                };
                client.patch(&path).json(&body)
            };
            tokio::spawn(request.bearer(by).send())
        };
        let (one, two) = (demote(&b, &a), demote(&a, &b));
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert!(one.status < 300 || two.status < 300, "{one:?} {two:?}");
        let mut left = 0;
        for name in ["a", "b"] {
            let body = json!({"username": name, "password": PASSWORD});
            let answer = client.post("/login").json(&body).send().await;
            if answer.status == 200 {
                let token = Login::from(&answer).access;
                left += usize::from(
                    client
                        .get("/admin/users")
                        .bearer(&token)
                        .send()
                        .await
                        .status
                        == 200,
                );
            }
        }
        assert_eq!(left, 1, "{one:?} {two:?}");
    }
}

// Seed rows 31, 56, 57, 65, 66: from outside, and with the next request.
#[tokio::test]
async fn roles_count_from_the_next_request_on() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    let ada = newcomer(&client, "ada").await;
    let path = format!(
        "/admin/users/{}",
        claims(&ada.access)["sub"].as_str().unwrap()
    );
    let change = async |roles: Value| {
        let answer = client
            .patch(&path)
            .bearer(&root)
            .json(&json!({"roles": roles}))
            .send()
            .await
            .expect(200);
        assert_eq!(answer.json()["roles"], roles);
    };
    change(json!(["admin", "editor"])).await;
    client
        .get("/admin/users")
        .bearer(&ada.access)
        .send()
        .await
        .refused(401, "token_superseded");
    let ada = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
    assert_eq!(claims(&ada.access)["roles"], json!(["admin", "editor"]));
    client
        .get("/admin/users")
        .bearer(&ada.access)
        .send()
        .await
        .expect(200);
    change(json!([])).await;
    client
        .get("/admin/users")
        .bearer(&ada.access)
        .send()
        .await
        .refused(401, "token_superseded");
    let ada = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
    client
        .get("/admin/users")
        .bearer(&ada.access)
        .send()
        .await
        .refused(403, "forbidden");
    // A session cookie holds no roles: it has the new ones without a refresh.
    let browser = client.jar();
    login_in(&browser, "ada", "session").await;
    change(json!(["admin"])).await;
    browser.get("/admin/users").send().await.expect(200);
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_comes_back_only_by_a_new_login() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    let ada = newcomer(&client, "ada").await;
    let browser = client.jar();
    login_in(&browser, "ada", "session").await;
    let path = format!(
        "/admin/users/{}",
        claims(&ada.access)["sub"].as_str().unwrap()
    );
    let set = async |disabled: bool| {
        let body = json!({"disabled": disabled});
        let answer = client
            .patch(&path)
            .bearer(&root)
            .json(&body)
            .send()
            .await
            .expect(200);
        assert_eq!(answer.json()["disabled"], json!(disabled));
    };
    set(true).await;
    protected(&client, &ada.access)
        .await
        .refused(401, "token_revoked");
    refresh(&client, &ada.refresh)
        .await
        .refused(401, "refresh_invalid");
    browser
        .get("/profile")
        .send()
        .await
        .refused(401, "session_invalid");
    set(false).await;
    protected(&client, &ada.access)
        .await
        .refused(401, "token_revoked");
    refresh(&client, &ada.refresh)
        .await
        .refused(401, "refresh_invalid");
    browser
        .get("/profile")
        .send()
        .await
        .refused(401, "session_invalid");
    login(&client, "ada").await;
}

#[tokio::test]
async fn users_are_made_listed_page_by_page_renamed_signed_out_and_deleted() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    for name in ["ada", "adam", "bob"] {
        let body = json!({"username": name, "password": PASSWORD, "roles": ["editor"]});
        let answer = client
            .post("/admin/users")
            .bearer(&root)
            .json(&body)
            .send()
            .await
            .expect(201);
        assert_eq!(
            (&answer.json()["roles"], &answer.json()["disabled"]),
            (&json!(["editor"]), &json!(false))
        );
    }
    let list = async |query: &str| {
        let page = client
            .get(&format!("/admin/users?{query}"))
            .bearer(&root)
            .send()
            .await
            .expect(200)
            .json();
        let names: Vec<_> = page["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["username"].as_str().unwrap().to_owned())
            .collect();
        (names, page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(
        list("").await,
        (
            ["root", "ada", "adam", "bob"].map(str::to_owned).into(),
            None
        )
    );
    assert_eq!(list("query=ADA").await.0, ["ada", "adam"]);
    assert_eq!(list("query=%25").await.0, Vec::<String>::new());
    let (first, next) = list("limit=3").await;
    assert_eq!(first, ["root", "ada", "adam"]);
    assert_eq!(
        list(&format!("limit=3&cursor={}", next.unwrap())).await,
        (vec!["bob".to_owned()], None)
    );
    let ada = login(&client, "ada").await;
    let path = format!(
        "/admin/users/{}",
        claims(&ada.access)["sub"].as_str().unwrap()
    );
    let body = json!({"username": "lovelace"});
    client
        .patch(&path)
        .bearer(&root)
        .json(&body)
        .send()
        .await
        .expect(200);
    protected(&client, &ada.access)
        .await
        .refused(401, "token_superseded");
    let ada = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
    client
        .delete(&format!("{path}/sessions"))
        .bearer(&root)
        .send()
        .await
        .expect(204);
    protected(&client, &ada.access)
        .await
        .refused(401, "token_revoked");
    refresh(&client, &ada.refresh)
        .await
        .refused(401, "refresh_invalid");
    let ada = login(&client, "lovelace").await;
    client.delete(&path).bearer(&root).send().await.expect(204);
    protected(&client, &ada.access)
        .await
        .refused(401, "token_revoked");
    client
        .get(&path)
        .bearer(&root)
        .send()
        .await
        .refused(404, "not_found");
    // The administrator was not touched by any of it.
    client
        .get("/admin/users")
        .bearer(&root)
        .send()
        .await
        .expect(200);
}

#[tokio::test]
async fn roles_that_would_make_a_token_too_large_are_refused_by_name() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await.access;
    let ada = register(&client, "ada").await;
    let roles: Vec<String> = (0..16).map(|n| format!("{n:a>32}")).collect();
    let path = format!("/admin/users/{}", ada["id"].as_str().unwrap());
    let answer = client
        .patch(&path)
        .bearer(&root)
        .json(&json!({"roles": roles}))
        .send()
        .await;
    answer.refused(400, "token_too_large");
    assert!(
        answer.json()["message"]
            .as_str()
            .unwrap()
            .contains(&roles[0])
    );
    // Long names are left out of the token instead: they are for display.
    let long = "b".repeat(64);
    let body = json!({"username": long, "email": format!("{}@{}.org", "c".repeat(64), "d".repeat(180)), "password": PASSWORD});
    client
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    let token = login(&client, &long).await.access;
    assert!(token.len() <= 1024);
    assert_eq!(
        protected(&client, &token).await.expect(200).json(),
        json!({"logged_in_as": long})
    );
}
