//! Commands that do not do what was asked: what they say, how they exit, and that nothing changed.

use std::os::unix::fs::PermissionsExt;

use countersign_testkit::{Home, TestDatabase};
use serde_json::Value;

use super::{PASSWORD, add, answer, done, home, refused};

#[test]
fn where_there_is_no_database_only_adding_a_user_makes_one() {
    let home = home();
    for args in [
        &["user", "list"][..],
        &["user", "show", "ada"],
        &["user", "roles", "ada", "--add", "admin"],
        &["user", "password", "ada", "--password-stdin"],
        &["user", "disable", "ada"],
        &["user", "enable", "ada"],
        &["user", "delete", "ada", "--yes"],
        &["session", "list"],
        &["session", "revoke", "--all"],
        &["client", "add", "shop"],
        &["client", "list"],
        &["client", "rotate", "shop"],
        &["client", "remove", "shop"],
        &["key", "list"],
        &["key", "rotate"],
        &["key", "revoke", "k"],
        &["backup", "there.db"],
        &["migrate"],
        &["migrate", "--dry-run"],
    ] {
        refused(
            &home.cli(args),
            1,
            &["no database at", "countersign user add"],
        );
        assert!(!home.data().exists(), "{args:?} made the data directory");
    }
    let add = ["user", "add", "--username", "ada"];
    refused(&home.cli(&add), 1, &["no terminal", "--password-stdin"]);
    done(&home.cli(&["config"]));
    assert!(!home.data().exists());
}

#[test]
fn arguments_that_are_not_understood_exit_with_2() {
    let home = home();
    for (args, says) in [
        (&["serv"][..], "'serve'"),
        (&["user", "add", "--password-stdin"], "--username"),
        (
            &["user", "add", "--username", "ada", "--password", "x"],
            "--password",
        ),
        (&["user", "list", "--limit", "0"], "--limit"),
        (&["user", "list", "--limit", "10001"], "--limit"),
        (
            &["user", "roles", "ada", "--set", "a", "--add", "b"],
            "--add",
        ),
        (&["session", "revoke"], "--all"),
        (&["session", "revoke", "x", "--all"], "cannot be used"),
        (
            &["session", "revoke", "--user", "ada", "--all"],
            "cannot be used",
        ),
        (
            &["session", "list", "--user", "ada", "--limit", "1"],
            "cannot be used",
        ),
        (&["client", "add"], "<NAME>"),
        (&["key", "revoke"], "<KID>"),
        (&["serve", "--listen", "5000"], "--listen"),
        (&["backup"], "<FILE>"),
        (&["restore"], "<FILE>"),
    ] {
        refused(&home.cli(args), 2, &[says]);
        let json = home.cli(&[&["--json"], args].concat());
        let error: Value = serde_json::from_str(&json.stderr).unwrap();
        assert_eq!(
            (json.code, &error["code"]),
            (Some(2), &Value::from("usage"))
        );
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    }
    // Without a command there is help, and no command was done.
    for args in [&[][..], &["user"], &["session"], &["client"], &["key"]] {
        let exit = home.cli(args);
        assert_eq!((exit.code, exit.stdout.as_str()), (Some(2), ""));
        assert!(exit.stderr.contains("Usage: countersign"), "{exit:#?}");
    }
}

#[test]
fn what_breaks_a_rule_is_refused_with_the_code_of_http_and_a_next_step() {
    let home = home();
    add(
        &home,
        "ada",
        &["--role", "admin", "--email", "ada@example.com"],
    );
    done(&home.cli(&["client", "add", "shop"]));
    let before = home.cli(&["user", "list"]).stdout;
    let no_session = "01980d6e-7c55-7a30-9d42-6f1f5a3b9c10";
    let new = |more: &[&'static str]| -> Vec<&'static str> {
        [&["user", "add", "--password-stdin"], more].concat()
    };
    for (args, input, code, says) in [
        (
            new(&["--username", "ADA"]),
            PASSWORD,
            "username_taken",
            "user show",
        ),
        (
            new(&["--email", "ada@EXAMPLE.com"]),
            PASSWORD,
            "email_taken",
            "choose another",
        ),
        (
            new(&["--username", "a b"]),
            PASSWORD,
            "invalid_request",
            "username: ",
        ),
        (
            new(&["--username", "bo", "--role", "Admin"]),
            PASSWORD,
            "invalid_request",
            "roles: ",
        ),
        (
            new(&["--username", "bo"]),
            "short",
            "invalid_request",
            "password: ",
        ),
        (
            new(&["--username", "bo"]),
            "password123",
            "invalid_request",
            "common",
        ),
        (
            new(&["--username", "bo"]),
            "",
            "invalid_request",
            "is empty",
        ),
        (
            new(&["--username", "bo"]),
            "two-long\nlines-here",
            "invalid_request",
            "one line",
        ),
        (
            vec!["user", "show", "bob"],
            "",
            "not_found",
            "countersign user list",
        ),
        (
            vec!["user", "show", no_session],
            "",
            "not_found",
            "countersign user list",
        ),
        (
            vec!["user", "password", "bob", "--password-stdin"],
            PASSWORD,
            "not_found",
            "user",
        ),
        (
            vec!["user", "password", "ada"],
            "",
            "no_terminal",
            "--password-stdin",
        ),
        (
            vec!["user", "password", "ada", "--password-stdin"],
            "short",
            "invalid_request",
            "password: ",
        ),
        (
            vec!["user", "roles", "ada", "--remove", "admin"],
            "",
            "last_admin",
            "--add admin",
        ),
        (
            vec!["user", "roles", "ada", "--set", "editor"],
            "",
            "last_admin",
            "--add admin",
        ),
        (
            vec!["user", "roles", "ada", "--add", "No"],
            "",
            "invalid_request",
            "roles: ",
        ),
        (
            vec!["user", "roles", "ada", "--remove", "No"],
            "",
            "invalid_request",
            "roles: ",
        ),
        (
            vec!["user", "disable", "ada"],
            "",
            "last_admin",
            "--add admin",
        ),
        (vec!["user", "delete", "ada"], "", "not_confirmed", "--yes"),
        (
            vec!["user", "delete", "ada", "--yes"],
            "",
            "last_admin",
            "--add admin",
        ),
        (
            vec!["session", "revoke", "nonsense"],
            "",
            "not_found",
            "countersign session list",
        ),
        (
            vec!["session", "revoke", no_session],
            "",
            "not_found",
            "countersign session list",
        ),
        (
            vec!["session", "revoke", "--user", "bob"],
            "",
            "not_found",
            "countersign user list",
        ),
        (
            vec!["session", "list", "--user", "bob"],
            "",
            "not_found",
            "countersign user list",
        ),
        (
            vec!["client", "add", "shop"],
            "",
            "exists",
            "countersign client rotate",
        ),
        (
            vec!["client", "add", "Shop"],
            "",
            "invalid_request",
            "name: ",
        ),
        (
            vec!["client", "add", "web", "--kind", "app"],
            "",
            "invalid_request",
            "OIDC",
        ),
        (
            vec!["client", "rotate", "web"],
            "",
            "not_found",
            "countersign client list",
        ),
        (
            vec!["client", "remove", "web"],
            "",
            "not_found",
            "countersign client list",
        ),
        (
            vec!["client", "remove", "countersign"],
            "",
            "invalid_request",
            "built-in",
        ),
        (
            vec!["key", "revoke", "nonsense"],
            "",
            "not_found",
            "countersign key list",
        ),
    ] {
        refused(&home.cli_with_input(&args, input), 1, &[says]);
        let json = home.cli_with_input(&[&args[..], &["--json"]].concat(), input);
        let error: Value = serde_json::from_str(&json.stderr).unwrap();
        assert_eq!(
            (json.code, &error["code"]),
            (Some(1), &code.into()),
            "{args:?}: {error}"
        );
        assert!(
            error["message"].is_string() && json.stdout.is_empty(),
            "{json:#?}"
        );
    }
    assert_eq!(home.cli(&["user", "list"]).stdout, before);
}

#[test]
fn with_a_shared_secret_there_are_no_keys_to_manage() {
    let home = home().env("JWT_SECRET_KEY", "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a");
    add(&home, "ada", &[]);
    for args in [&["key", "rotate"][..], &["key", "revoke", "k"]] {
        refused(&home.cli(args), 1, &["JWT_SECRET_KEY"]);
    }
    assert_eq!(
        answer(&home, &["key", "list"], "")["keys"],
        serde_json::json!([])
    );
}

/// The runs of both the server and a command beside it, which must not differ.
#[track_caller]
fn nothing_starts(home: &Home, code: i32, words: &[&str]) {
    refused(
        &home.try_start().expect_err("it must not start"),
        code,
        words,
    );
    refused(&home.cli(&["user", "list"]), code, words);
}

#[test]
fn another_secret_key_is_refused_and_no_keys_are_made_instead() {
    let (key, other) = (
        "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a",
        "Kq8eYw2Rt5Zu1Pi7Lo3As9Df4Gh6Jc0V",
    );
    let first = home().env("SECRET_KEY", key);
    add(&first, "ada", &[]);
    let keys = done(&first.cli(&["key", "list"])).to_owned();
    let wrong = first.clone().env("SECRET_KEY", other);
    nothing_starts(
        &wrong,
        78,
        &["SECRET_KEY is not the one", "SECRET_KEY_PREVIOUS"],
    );
    let error = wrong.cli(&["key", "list", "--json"]).stderr;
    assert!(error.starts_with(r#"{"code":"wrong_secret""#), "{error}");

    let changed = wrong.env("SECRET_KEY_PREVIOUS", key);
    assert_eq!(done(&changed.cli(&["key", "list"])), keys);
    // Everything is sealed under the new key now.
    nothing_starts(&first, 78, &["SECRET_KEY is not the one"]);
}

#[test]
fn a_database_without_its_key_is_refused() {
    let home = home();
    add(&home, "ada", &[]);
    let file = home.data().join("secret.key");
    let secret = std::fs::read_to_string(&file).unwrap();
    let missing = ["secret.key is missing", "SECRET_KEY"];
    std::fs::remove_file(&file).unwrap();
    nothing_starts(&home, 78, &missing);
    assert!(!file.exists(), "a new key would hide the mistake");
    std::fs::write(&file, "").unwrap();
    nothing_starts(&home, 78, &missing);
    std::fs::write(&file, "too-short").unwrap();
    nothing_starts(&home, 78, &["secret.key", "at least 32 are needed"]);
    std::fs::write(&file, &secret).unwrap();
    done(&home.cli(&["user", "show", "ada"]));
    // The key travels: the same text in the environment opens the database as well.
    std::fs::remove_file(&file).unwrap();
    done(&home.env("SECRET_KEY", secret).cli(&["user", "show", "ada"]));
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    for database in TestDatabase::each().await {
        let home = home().database(&database);
        add(&home, "ada", &[]);
        let newer = "INSERT INTO schema_migrations (version, name) VALUES (9999, 'tomorrow')";
        database.execute(newer).await;
        nothing_starts(&home, 1, &["schema version 9999", "newer binary"]);
        let error = home.cli(&["user", "list", "--json"]).stderr;
        assert!(error.starts_with(r#"{"code":"newer_schema""#), "{error}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let home = home().file("taken", "a file");
    let exit = home.cli_with_input(
        &[
            "user",
            "add",
            "--username",
            "ada",
            "--password-stdin",
            "--data",
            "taken/data",
        ],
        PASSWORD,
    );
    refused(&exit, 78, &["taken/data"]);
}

#[test]
fn files_are_for_their_owner_alone_also_in_a_directory_that_others_may_read() {
    let home = home();
    std::fs::create_dir(home.data()).unwrap();
    std::fs::set_permissions(home.data(), PermissionsExt::from_mode(0o755)).unwrap();
    add(&home, "ada", &[]);
    let _server = home.start();
    let mut names = Vec::new();
    for file in std::fs::read_dir(home.data()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file:?}");
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    let expected = [
        "countersign.db",
        "countersign.db-shm",
        "countersign.db-wal",
        "secret.key",
        "serve.lock",
    ];
    assert_eq!(names, expected);
}
