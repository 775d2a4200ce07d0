//! The real binary, as whoever types commands sees it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers")]

mod answers;
mod backup;
mod beside;
mod configuration;
mod demo;
mod doctor;
mod migrate;
mod moving;
mod refusals;
mod restore;
mod serve;
mod shell;

use countersign_testkit::{Exit, Home, Server};
use serde_json::{Value, json};

const PASSWORD: &str = "plum-harbour-41";

fn home() -> Home {
    Home::new(env!("CARGO_BIN_EXE_countersign"))
}

/// Adds an account with the usual password.
#[track_caller]
fn add(home: &Home, name: &str, more: &[&str]) {
    let mut args = vec!["user", "add", "--username", name, "--password-stdin"];
    args.extend(more);
    done(&home.cli_with_input(&args, PASSWORD));
}

/// Demands that it was done, and answers what was printed.
#[track_caller]
fn done(exit: &Exit) -> &str {
    assert_eq!(exit.code, Some(0), "{exit:#?}");
    exit.stdout.trim_end()
}

/// Runs a command with `--json` and answers what it printed: one object on one line, and no word
/// beside it.
#[track_caller]
fn answer(home: &Home, args: &[&str], input: &str) -> Value {
    let exit = home.cli_with_input(&[args, &["--json"]].concat(), input);
    let text = done(&exit);
    assert_eq!(
        (text.lines().count(), exit.stderr.as_str()),
        (1, ""),
        "{exit:#?}"
    );
    serde_json::from_str(text).unwrap()
}

/// Demands this exit code, nothing on standard output, and a message that says each of `words`.
#[track_caller]
fn refused(exit: &Exit, code: i32, words: &[&str]) {
    assert_eq!(
        (exit.code, exit.stdout.as_str()),
        (Some(code), ""),
        "{exit:#?}"
    );
    assert!(exit.stderr.starts_with("countersign: "), "{exit:#?}");
    for word in words {
        assert!(exit.stderr.contains(word), "{word:?} is not in {exit:#?}");
    }
}

/// Signs in and answers the body.
async fn sign_in(server: &Server, name: &str, password: &str) -> Value {
    let body = json!({ "username": name, "password": password });
    let answer = server.client().post("/login").json(&body).send().await;
    answer.expect(200).json()
}

/// The access token of such a body.
fn access(body: &Value) -> &str {
    body["access_token"].as_str().unwrap()
}
