//! Traces, from the real binary with the feature `otlp` to a collector on loopback.

#![expect(clippy::unwrap_used, reason = "a test's helpers")]
#![expect(
    clippy::disallowed_methods,
    reason = "how long a real process takes to stop"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use countersign_testkit::{Home, Server};
use serde_json::json;

const PASSWORD: &str = "plum-harbour-41";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What the collector was sent: the head, and the body as it is.
struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    fn says(&self, bytes: &[u8]) -> bool {
        self.body.windows(bytes.len()).any(|window| window == bytes)
    }
}

/// A collector, and its address. It takes one message after the other.
fn collector() -> (String, Receiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, messages) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let stream = stream.unwrap();
                while let Some(message) = take(&stream) {
                    let _ = sender.send(message);
                }
            });
        }
    });
    (url, messages)
}

fn take(mut stream: &TcpStream) -> Option<Message> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(answer).ok()?;
    Some(Message { head, body })
}

fn start(endpoint: &str) -> Server {
    Home::new(env!("CARGO_BIN_EXE_countersign"))
        .env("COUNTERSIGN_PASSWORD__ARGON2__MEMORY_KIB", "8")
        .env("COUNTERSIGN_PASSWORD__ARGON2__ITERATIONS", "1")
        .env("COUNTERSIGN_SERVER__SHUTDOWN_GRACE", "3s")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .start()
}

async fn stop(server: Server) -> (i32, Duration) {
    let began = Instant::now();
    let stopping = tokio::task::spawn_blocking(|| server.terminate());
    (stopping.await.unwrap().code.unwrap(), began.elapsed())
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex
        .bytes()
        .map(|digit| char::from(digit).to_digit(16).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

#[tokio::test]
async fn each_request_is_a_span_by_its_route_and_says_nothing_of_who_or_what() {
    let (url, messages) = collector();
    let server = start(&url);
    let client = server.client();
    let account = json!({"username": "ada-of-the-spans", "password": PASSWORD});
    client
        .post("/register")
        .json(&account)
        .send()
        .await
        .expect(201);
    let login = client
        .post("/login")
        .json(&account)
        .send()
        .await
        .expect(200)
        .json();
    let token = login["access_token"].as_str().unwrap();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-00");
    let asked = client
        .get("/protected?secret=typed-into-the-address")
        .bearer(token);
    asked
        .header("traceparent", &parent)
        .send()
        .await
        .expect(200);
    for malformed in ["", "00", &"f".repeat(2_000), "00-zz-zz-zz", "\u{fc}"] {
        let asked = client.get("/protected").bearer("no-token-at-all");
        asked
            .header("traceparent", malformed)
            .send()
            .await
            .refused(401, "token_malformed");
    }
    client.get("/sessions/no-such-path").send().await;
    // What waits is sent before the process ends.
    let (code, took) = stop(server).await;
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(6), "{took:?}");
    let messages: Vec<_> = messages.try_iter().collect();
    let said = |text: &str| messages.iter().any(|message| message.says(text.as_bytes()));
    assert!(!messages.is_empty());
    for message in &messages {
        assert!(
            message.head.starts_with("POST /v1/traces HTTP/1.1\r\n"),
            "{}",
            message.head
        );
        assert!(
            !message.head.to_lowercase().contains("traceparent"),
            "{}",
            message.head
        );
    }
    for text in [
        "POST /register",
        "POST /login",
        "GET /protected",
        "http.route",
        "http.response.status_code",
        "token_malformed",
        "service.name",
        "countersign",
    ] {
        assert!(said(text), "{text}");
    }
    let trace = bytes_of(TRACE);
    assert!(messages.iter().any(|message| message.says(&trace)));
    let refresh = login["refresh_token"].as_str().unwrap();
    for secret in [
        "ada-of-the-spans",
        PASSWORD,
        token,
        refresh,
        "typed-into-the-address",
        "no-such-path",
        "no-token-at-all",
        "127.0.0.1",
    ] {
        assert!(!said(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_collector_that_is_silent_or_away_holds_up_no_request_and_no_stop() {
    // Accepts, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (
        format!("http://{}", silent.local_addr().unwrap()),
        Some(silent),
    );
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = (format!("http://{}", gone.local_addr().unwrap()), None);
    for (url, listener) in [silent, gone] {
        let server = start(&url);
        let client = server.client();
        let began = Instant::now();
        // More than the queue holds.
        for _ in 0..3_000 {
            client.get("/healthz").send().await.expect(200);
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{:?}",
            began.elapsed()
        );
        let (code, took) = stop(server).await;
        assert_eq!(code, 0);
        assert!(took < Duration::from_secs(8), "{took:?} {listener:?}");
    }
}

#[test]
fn an_endpoint_that_is_no_url_is_refused_at_start() {
    for endpoint in [
        "collector:4318",
        "ftp://collector",
        "http://user:secret@collector",
    ] {
        let home = Home::new(env!("CARGO_BIN_EXE_countersign"));
        let exit = home
            .env("COUNTERSIGN_OTLP__ENDPOINT", endpoint)
            .try_start()
            .unwrap_err();
        assert_eq!(exit.code, Some(78), "{exit:?}");
        assert!(
            exit.stderr.contains("otlp.endpoint") || exit.stderr.contains("OTLP"),
            "{exit:?}"
        );
    }
}
