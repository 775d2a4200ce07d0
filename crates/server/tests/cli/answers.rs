//! What commands answer: objects of stable shapes for programs, tables for people.

use serde_json::{Value, json};

use super::{PASSWORD, add, answer, done, home};

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

const USER: [&str; 7] = [
    "created_at",
    "disabled",
    "email",
    "email_verified",
    "id",
    "roles",
    "username",
];
const NEW: [&str; 5] = ["user", "add", "--username", "ada", "--password-stdin"];

#[test]
fn accounts_are_answered_in_the_shape_of_http() {
    let home = home();
    let more = [
        "--email",
        "Ada@Example.com",
        "--role",
        "admin",
        "--role",
        "editor",
    ];
    let ada = answer(&home, &[&NEW[..], &more].concat(), PASSWORD);
    assert_eq!(keys(&ada), USER);
    assert_eq!(ada["roles"], json!(["admin", "editor"]));
    let id = ada["id"].as_str().unwrap();
    for name in ["ada", "ADA", "ada@example.com", id] {
        assert_eq!(answer(&home, &["user", "show", name], ""), ada);
        assert_eq!(answer(&home, &["user", "roles", name], ""), ada);
    }
    add(&home, "bob", &[]);
    let roles = |args: &[&str]| {
        let args = [&["user", "roles", "bob"], args].concat();
        answer(&home, &args, "")["roles"].clone()
    };
    assert_eq!(roles(&["--set", "a,b"]), json!(["a", "b"]));
    assert_eq!(
        roles(&[
            "--add", "c", "--add", "d", "--remove", "a", "--remove", "none"
        ]),
        json!(["b", "c", "d"])
    );
    assert_eq!(roles(&["--set", ""]), json!([]));
    assert_eq!(
        answer(&home, &["user", "disable", "bob"], "")["disabled"],
        true
    );
    assert_eq!(
        answer(&home, &["user", "disable", "bob"], "")["disabled"],
        true
    );
    assert_eq!(
        answer(&home, &["user", "enable", "bob"], "")["disabled"],
        false
    );
    let set = ["user", "password", "bob", "--password-stdin"];
    assert_eq!(keys(&answer(&home, &set, "another-harbour\n")), USER);
    let gone = answer(&home, &["user", "delete", "bob", "--yes"], "");
    assert_eq!(gone["username"], "bob");
    assert_eq!(
        answer(&home, &["user", "list"], ""),
        json!({ "users": [ada], "next": null })
    );
}

#[test]
fn lists_are_cut_into_pages_and_narrowed_by_what_names_begin_with() {
    let home = home();
    for name in ["ann", "anna", "bob"] {
        add(&home, name, &[]);
    }
    let list = |args: &[&str]| -> (Vec<String>, Option<String>) {
        let page = answer(&home, &[&["user", "list"], args].concat(), "");
        let users = page["users"].as_array().unwrap().iter();
        let names = users.map(|user| user["username"].as_str().unwrap().to_owned());
        (names.collect(), page["next"].as_str().map(str::to_owned))
    };
    let (first, next) = list(&["--limit", "2"]);
    assert_eq!(first, ["ann", "anna"]);
    assert_eq!(
        list(&["--limit", "2", "--cursor", &next.unwrap()]),
        (vec!["bob".to_owned()], None)
    );
    assert_eq!(list(&["--query", "ANN"]).0, ["ann", "anna"]);
    assert_eq!(list(&["--query", "c"]), (vec![], None));
    super::refused(
        &home.cli(&["user", "list", "--cursor", "x"]),
        2,
        &["--cursor"],
    );
    let cut = home.cli(&["user", "list", "--limit", "2"]);
    assert!(cut.stderr.contains("add --cursor"), "{cut:#?}");
}

#[test]
fn a_secret_is_printed_once_and_alone() {
    let home = home();
    add(&home, "ada", &[]);
    let add = home.cli(&["client", "add", "shop-api", "--kind", "service"]);
    let first = done(&add).to_owned();
    assert!(
        first.len() == 43 && !first.contains(char::is_whitespace),
        "{add:#?}"
    );
    assert!(
        add.stderr.contains("not shown again") && !add.stderr.contains(&first),
        "{add:#?}"
    );
    let quiet = home.cli(&["client", "rotate", "shop-api", "--quiet"]);
    let second = done(&quiet);
    assert!(second.len() == 43 && second != first && quiet.stderr.is_empty());
    let third = answer(&home, &["client", "rotate", "shop-api"], "");
    assert_eq!(keys(&third), ["created_at", "id", "kind", "name", "secret"]);
    let list = answer(&home, &["client", "list"], "");
    assert_eq!(list["clients"][1]["id"], "shop-api");
    assert_eq!(
        keys(&list["clients"][1]),
        ["created_at", "id", "kind", "name"]
    );
    assert_eq!(
        answer(&home, &["client", "remove", "shop-api"], "")["id"],
        "shop-api"
    );
    assert_eq!(
        answer(&home, &["client", "list"], "")["clients"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    done(&home.cli(&["client", "add", "shop-api"]));
}

#[test]
fn keys_are_answered_in_the_shape_of_http() {
    let home = home();
    add(&home, "ada", &[]);
    let phases = || -> Vec<String> {
        let list = answer(&home, &["key", "list"], "");
        let keys = list["keys"].as_array().unwrap().iter();
        keys.map(|key| key["phase"].as_str().unwrap().to_owned())
            .collect()
    };
    let new = answer(&home, &["key", "rotate"], "");
    assert_eq!(
        keys(&new),
        ["alg", "created_at", "kid", "phase", "signs_from"]
    );
    assert_eq!(
        (&new["phase"], phases()),
        (
            &json!("published"),
            vec!["signing".into(), "published".into()]
        )
    );
    let old = answer(&home, &["key", "list"], "")["keys"][0]["kid"].clone();
    let revoked = answer(&home, &["key", "revoke", old.as_str().unwrap()], "");
    assert_eq!(
        (&revoked["kid"], &revoked["phase"]),
        (&old, &json!("revoked"))
    );
    assert_eq!(phases(), ["revoked", "signing"]);
}

/// Typed where the server's configuration is not seen, a command must not change how it signs.
#[test]
fn a_command_signs_as_the_server_does_and_not_as_its_own_configuration_says() {
    let home = home();
    add(
        &home.clone().env("COUNTERSIGN_TOKEN__ALGORITHM", "EdDSA"),
        "ada",
        &[],
    );
    done(&home.cli(&["user", "list"]));
    let rotated = answer(&home, &["key", "rotate"], "");
    let list = answer(&home, &["key", "list"], "");
    assert_eq!(
        (
            rotated["alg"].as_str(),
            list["keys"].as_array().unwrap().len()
        ),
        (Some("EdDSA"), 2)
    );
}

#[tokio::test]
async fn people_get_tables_and_strangers_cannot_move_their_cursor() {
    let home = home();
    add(&home, "ada", &["--role", "admin"]);
    add(&home, "bartholomew", &[]);
    let list = home.cli(&["user", "list"]);
    let lines: Vec<_> = done(&list).lines().collect();
    assert!(
        lines[0].starts_with("USERNAME     EMAIL  ROLES  STATE    CREATED (UTC)"),
        "{list:#?}"
    );
    assert!(
        lines[1].starts_with("ada          -      admin  enabled  20"),
        "{list:#?}"
    );
    assert!(
        lines[2].starts_with("bartholomew  -      -      enabled  20"),
        "{list:#?}"
    );
    assert!(list.stderr.is_empty() && !list.stdout.contains('\u{1b}'));

    let server = home.start();
    let body = json!({ "username": "ada", "password": PASSWORD });
    let login = server
        .client()
        .post("/login")
        .header("user-agent", "shop\u{9b}2J".as_bytes());
    let _ = login.json(&body).send().await.expect(200);
    let sessions = server.cli(&["session", "list"]);
    let text = done(&sessions);
    assert!(text.starts_with("ID  ") && text.contains(" ada "), "{text}");
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n'),
        "{text:?}"
    );
    let listed = answer(server.home(), &["session", "list", "--user", "ada"], "");
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(
        keys(&listed["sessions"][0]),
        [
            "address",
            "created_at",
            "current",
            "expires_at",
            "id",
            "last_used_at",
            "user_agent",
            "user_id"
        ]
    );
    assert_eq!(
        listed["sessions"],
        answer(server.home(), &["session", "list"], "")["sessions"]
    );
}

#[test]
fn quiet_prints_what_was_asked_for_and_nothing_else() {
    let home = home();
    for args in [
        &["user", "add", "--username", "ada", "--password-stdin"][..],
        &["user", "roles", "ada", "--add", "editor"],
        &["user", "disable", "ada"],
        &["user", "enable", "ada"],
        &["session", "list"],
        &["session", "revoke", "--user", "ada"],
        &["key", "rotate"],
        &["user", "delete", "ada", "--yes"],
    ] {
        let exit = home.cli_with_input(&[args, &["--quiet"]].concat(), PASSWORD);
        let asked_for = args == ["session", "list"];
        assert_eq!(
            (exit.stdout.is_empty(), exit.stderr.as_str()),
            (!asked_for, ""),
            "{exit:#?}"
        );
        done(&exit);
    }
}

#[test]
fn two_first_commands_at_once_make_one_database() {
    let home = home();
    std::thread::scope(|scope| {
        for name in ["ada", "bob", "eve"] {
            let home = &home;
            scope.spawn(move || add(home, name, &[]));
        }
    });
    let list = answer(&home, &["user", "list"], "");
    assert_eq!(list["users"].as_array().unwrap().len(), 3);
    assert_eq!(
        answer(&home, &["key", "list"], "")["keys"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
