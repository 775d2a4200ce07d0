//! `serve`: what it prints, when it refuses, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use countersign_testkit::Home;
use serde_json::{Value, json};

use super::{PASSWORD, add, answer, done, home, refused};

#[test]
fn a_port_that_is_taken_says_what_to_type_and_nothing_is_made() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let next = format!(
        "--listen 127.0.0.1:{}",
        taken.port().wrapping_add(1).max(5000)
    );
    let home = home();
    let exit = home.cli(&["serve", "--listen", &taken.to_string()]);
    refused(&exit, 1, &[&format!("{taken} is taken"), &next]);
    let json = home.cli(&["serve", "--json", "--listen", &taken.to_string()]);
    assert!(
        json.stderr.starts_with(r#"{"code":"port_taken""#),
        "{json:#?}"
    );
    assert!(!home.data().exists());
    let exit = home.cli(&["serve", "--listen", "203.0.113.1:5000"]);
    refused(&exit, 1, &["listening on 203.0.113.1:5000"]);
}

#[test]
fn a_second_server_on_the_same_data_is_refused_with_the_pid_of_the_first() {
    let mut server = home().start();
    let pid = format!("process {}", server.pid());
    let second = server.home().try_start().expect_err("a second server");
    refused(&second, 1, &[&pid, "another --data"]);
    // On the same port as well, where the port alone would mislead.
    let same = ["serve", "--listen", &server.addr().to_string()];
    refused(&server.home().cli(&same), 1, &[&pid]);
    let _ = done(&server.cli(&["key", "list"]));
    // The system lets go of the lock, however the first one ends.
    server.kill9();
    let third = server.home().start();
    assert!(!third.stdout().contains("(new)"), "{}", third.stdout());
}

#[tokio::test]
async fn the_start_lines_say_what_runs_where_and_what_to_type() {
    let home = home();
    let server = home.start();
    server.wait_for_log("/register\n");
    let (data, address) = (home.data(), server.addr());
    let keys = answer(&home, &["key", "list"], "");
    let kid = keys["keys"][0]["kid"].as_str().unwrap();
    let expected = |new: &str, advice: &str| {
        format!(
            "Countersign {}   data {}{new}   SQLite   ES256 key {kid}{new}\n\
             Running on http://{address}/\n{advice}\
             Try:  curl --json '{{\"username\":\"ada\",\"password\":\"plum-harbour-41\"}}' http://{address}/register\n",
            env!("CARGO_PKG_VERSION"),
            data.display(),
        )
    };
    let advice = "No administrator yet:  countersign user add --username NAME --role admin\n";
    assert_eq!(server.stdout(), expected(" (new)", advice));
    // What it says to try works.
    let stdout = server.stdout();
    let body: Value = serde_json::from_str(stdout.split('\'').nth(1).unwrap()).unwrap();
    let _ = server
        .client()
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    done(&home.cli(&["user", "roles", "ada", "--add", "admin"]));
    let mut server = server;
    server.restart();
    server.wait_for_log("/register\n");
    assert_eq!(server.stdout(), expected("", ""));
}

#[test]
fn with_a_shared_secret_the_start_line_says_who_can_sign() {
    let home = home().env("JWT_SECRET_KEY", "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a");
    let server = home.start();
    server.wait_for_log("/register\n");
    let text = server.stdout();
    assert!(text.contains("   HS256 with JWT_SECRET_KEY\n"), "{text}");
    assert!(
        text.contains("Whoever holds JWT_SECRET_KEY can sign as anybody."),
        "{text}"
    );
    assert!(!text.contains("vV3l") && !server.stderr().contains("vV3l"));
}

/// `serve` with this flag, by hand: the kit waits for the line that these flags leave out.
fn serve_by_hand(home: &Home, listen: &str, flag: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["serve", flag, "--listen", listen, "--data"])
        .arg(home.data())
        .current_dir(home.path())
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn the_start_lines_are_one_object_for_programs() {
    let home = home();
    add(&home, "ada", &["--role", "admin"]);
    let mut child = serve_by_hand(&home, "127.0.0.1:0", "--json");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let start: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(start["has_admin"], true);
    assert_eq!(
        (&start["alg"], &start["engine"]),
        (&json!("ES256"), &json!("SQLite"))
    );
    let url = format!("http://{}/", start["listen"].as_str().unwrap());
    assert_eq!(start["url"], url);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn a_quiet_server_prints_nothing() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let home = home();
    let mut child = serve_by_hand(&home, &free.to_string(), "--quiet");
    for _ in 0..2_000 {
        if TcpStream::connect(free).is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    // The lines come before the first answer.
    let mut stream = TcpStream::connect(free).unwrap();
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {free}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    child.kill().unwrap();
    let stdout = child.wait_with_output().unwrap().stdout;
    assert!(
        answer.starts_with("HTTP/1.1 200") && stdout.is_empty(),
        "{answer}"
    );
}

#[test]
fn sigterm_finishes_the_request_in_flight_and_exits_with_0() {
    let server = home().start();
    let (home, address) = (server.home().clone(), server.addr());
    let body = json!({ "username": "ada", "password": PASSWORD }).to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /register HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    )
    .unwrap();
    // The server asks for the body: from here on the request is in flight.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    let ending = thread::spawn(move || server.terminate());
    for _ in 0..2_000 {
        if TcpStream::connect(address).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    assert!(
        TcpStream::connect(address).is_err(),
        "it still takes connections"
    );
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let exit = ending.join().unwrap();
    assert_eq!(exit.code, Some(0), "{exit:#?}");
    done(&home.cli(&["user", "show", "ada"]));
}
