//! `doctor`, with real files, servers and databases. What each check finds is tested beside it.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use countersign_testkit::{Exit, Home, TestDatabase};
use serde_json::Value;

use super::{add, done, home, refused};

/// What this machine may be ill of itself.
const NOT_OURS: [&str; 3] = ["disk_full", "disk_nearly_full", "database_slow"];

/// The codes that were found, with the exit code that follows from them.
#[track_caller]
fn codes(exit: &Exit) -> Vec<String> {
    let report: Value = serde_json::from_str(&exit.stdout).expect(&exit.stderr);
    let expected = match report["worst"].as_str() {
        None | Some("information") => 0,
        _ => 1,
    };
    assert_eq!(
        (exit.code, exit.stderr.as_str()),
        (Some(expected), ""),
        "{exit:#?}"
    );
    let findings = report["findings"].as_array().unwrap().iter();
    let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned());
    codes.filter(|code| !NOT_OURS.contains(&&**code)).collect()
}

fn doctor(home: &Home) -> Vec<String> {
    codes(&home.cli(&["doctor", "--json"]))
}

#[tokio::test]
async fn a_server_that_just_runs_has_nothing_to_mend() {
    for database in TestDatabase::each().await {
        let server = home().database(&database).start();
        let found = codes(&server.cli(&["doctor", "--json"]));
        let expected = if database.is_postgres() {
            ["cookies_on_safari", "backup_by_other_means"]
        } else {
            ["secret_beside_the_data", "cookies_on_safari"]
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn before_the_first_start_it_says_so_and_makes_nothing() {
    let home = home();
    let exit = home.cli(&["doctor"]);
    let said = done(&exit);
    assert!(
        said.contains("there is no database in ") && said.contains("countersign serve"),
        "{said}"
    );
    assert!(
        !said.contains('\x1b'),
        "no colors without a terminal: {said}"
    );
    assert!(!home.data().exists());
    refused(
        &home.env("COUNTERSIGN_SERVER__LISTEN", "x").cli(&["doctor"]),
        78,
        &["server.listen"],
    );
}

#[test]
fn what_others_can_read_is_found_and_the_advice_mends_it() {
    let home = home();
    add(&home, "ada", &[]);
    let _ = doctor(&home);
    for (path, mode) in [
        (home.data(), 0o755),
        (home.data().join("secret.key"), 0o644),
    ] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let found = doctor(&home);
    for code in ["data_open_to_others", "secrets_open_to_others"] {
        assert!(found.contains(&code.to_owned()), "{found:?}");
    }
    let text = home.cli(&["doctor"]).stdout;
    for advice in text
        .lines()
        .filter(|line| line.trim().starts_with("chmod "))
    {
        let done = std::process::Command::new("sh")
            .args(["-c", advice])
            .status();
        assert!(done.unwrap().success(), "{advice}");
    }
    let found = doctor(&home);
    assert!(
        !found.iter().any(|code| code.ends_with("to_others")),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_the_database_is_found() {
    let database = TestDatabase::sqlite();
    let home = home().database(&database);
    add(&home, "ada", &[]);
    let has = |home: &Home, code: &str| doctor(home).contains(&code.to_owned());
    let other = home
        .clone()
        .env("SECRET_KEY", "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a");
    assert!(has(&other, "secret_of_another_database"));
    fs::rename(home.data().join("secret.key"), home.path().join("kept")).unwrap();
    assert!(has(&home, "secret_unusable"));
    fs::rename(home.path().join("kept"), home.data().join("secret.key")).unwrap();
    assert!(!has(&home, "backup_never_made"), "it is the first day");
    database
        .execute("UPDATE events SET at = at - 90000000")
        .await;
    assert!(has(&home, "backup_never_made"));
    done(&home.cli(&["backup", "b.db"]));
    assert!(!has(&home, "backup_never_made"));
    assert!(!has(&home, "clock_behind_the_log"));
    database
        .execute("UPDATE log_clock SET seq = seq + 7200000000")
        .await;
    assert!(has(&home, "clock_behind_the_log"));
    database
        .execute("INSERT INTO schema_migrations (version, name) VALUES (9999, 'x')")
        .await;
    assert!(has(&home, "database_newer"));
    let nowhere = super::home()
        .env(
            "DATABASE_URL",
            "postgres://us:hunter2-hunter2@127.0.0.1:1/none",
        )
        .env("SECRET_KEY", "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a");
    assert!(has(&nowhere, "database_unreachable"));
    assert!(!nowhere.cli(&["doctor"]).stdout.contains("hunter2"));
}

/// Answers every request with this, or with silence, until the test ends.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
            if answer.is_empty() {
                silent.push(stream);
            }
        }
    });
    url
}

#[test]
fn whoever_answers_at_the_public_url_is_looked_at() {
    let server = home().start();
    let at = |url: &str| {
        let home = server.home().clone();
        doctor(&home.env("COUNTERSIGN_SERVER__PUBLIC_URL", url))
    };
    for (answer, code) in [
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "public_url_is_another",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "public_url_is_another",
        ),
        (
            "HTTP/1.1 301 Moved\r\nLocation: https://login.example.com/\r\nContent-Length: 0\r\n\r\n",
            "public_url_redirects",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"issuer\":\"https://elsewhere\"}",
            "issuer_differs",
        ),
        // It says nothing, for longer than anybody waits.
        ("", "public_url_silent"),
        // It breaks off.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n",
            "public_url_is_another",
        ),
    ] {
        let found = at(&answering(answer));
        assert!(found.contains(&code.to_owned()), "{answer:?}: {found:?}");
    }
    assert!(at("http://127.0.0.1:1").contains(&"public_url_silent".to_owned()));
}
