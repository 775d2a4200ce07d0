//! What is too much: connections, heads, bodies, time, hashing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use countersign_testkit::{Home, Server, raw};
use serde_json::json;

use crate::support::*;

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream
}

/// Reads until the server closes, or five seconds.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off_and_so_is_an_idle_connection() {
    let (server, client) = start(&[("server.request_timeout", "500ms")]);
    let began = Instant::now();
    let mut slow = connect(&server);
    let mut silent = connect(&server);
    let mut idle = connect(&server);
    let mut slow_again = connect(&server);
    let start = b"GET /healthz HTTP/1.1\r\nHost: x\r\n";
    slow.write_all(start).unwrap();
    for served in [&mut idle, &mut slow_again] {
        served
            .write_all(&[start, b"\r\n".as_slice()].concat())
            .unwrap();
    }
    slow_again.write_all(start).unwrap();
    let answer = rest(&mut slow);
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(rest(&mut silent), "");
    for served in [&mut idle, &mut slow_again] {
        assert_eq!(rest(served).matches("HTTP/1.1 200").count(), 1);
    }
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    client.get("/healthz").send().await.expect(200);
}

#[tokio::test]
async fn a_body_that_trickles_in_is_cut_off() {
    let (server, client) = start(&[("server.request_timeout", "500ms")]);
    let mut slow = connect(&server);
    slow.write_all(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{").unwrap();
    let answer = rest(&mut slow);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"timeout\""), "{answer}");
    client.get("/healthz").send().await.expect(200);
}

#[tokio::test]
async fn the_size_of_bodies_and_heads_is_configured() {
    let (server, client) = start(&[
        ("limits.body_bytes", "1KiB"),
        ("limits.header_bytes", "32KiB"),
    ]);
    let pad = |n: usize| json!({"username": "x", "password": "y", "pad": "a".repeat(n)});
    client
        .post("/login")
        .json(&pad(1_100))
        .send()
        .await
        .refused(413, "body_too_large");
    client
        .post("/login")
        .json(&pad(900))
        .send()
        .await
        .refused(401, "invalid_credentials");
    // Without a length the bytes are counted as they come.
    let chunk = format!("{:x}\r\n{}\r\n", 600, "a".repeat(600));
    let chunked = format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    );
    let answer = raw(server.addr(), chunked).await;
    assert!(
        answer.starts_with(b"HTTP/1.1 413"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let head = |n: usize| {
        format!(
            "GET /healthz HTTP/1.1\r\nHost: x\r\nA: {}\r\nConnection: close\r\n\r\n",
            "a".repeat(n)
        )
    };
    for size in [33_000, 40_000, 60_000, 200_000] {
        // The rest of the head may still be on its way when the server hangs up, and takes the
        // answer with it.
        let answer = raw(server.addr(), head(size)).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"),
            "{size}"
        );
    }
    assert!(
        raw(server.addr(), head(25_000))
            .await
            .starts_with(b"HTTP/1.1 200")
    );
    for (headers, expected) in [
        (65, "HTTP/1.1 431"),
        (101, "HTTP/1.1 431"),
        (64, "HTTP/1.1 200"),
    ] {
        let others = "A: b\r\n".repeat(headers - 2);
        let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{others}Connection: close\r\n\r\n");
        let answer = raw(server.addr(), head).await;
        assert!(answer.starts_with(expected.as_bytes()), "{headers}");
    }
}

#[tokio::test]
async fn connections_past_the_limit_are_told_so_and_served_when_one_goes() {
    let (server, client) = start(&[
        ("limits.connections", "3"),
        ("server.request_timeout", "20s"),
    ]);
    let mut held: Vec<_> = (0..3).map(|_| connect(&server)).collect();
    // Each is really taken: it answers, and stays open.
    for stream in &mut held {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    let body = json!({"username": "ada", "password": PASSWORD});
    for request in [client.get("/profile"), client.post("/login").json(&body)] {
        let answer = request.send().await;
        answer.refused(503, "busy");
        well_formed(&answer);
        assert_eq!(answer.header("connection").as_deref(), Some("close"));
    }
    let health = client.get("/healthz").send().await.expect(200);
    assert_eq!(health.header("connection").as_deref(), Some("close"));
    server.wait_for_log("limits.connections are all taken");
    // Whoever stays in the vestibule without asking for anything is shown out.
    let began = Instant::now();
    assert_eq!(rest(&mut connect(&server)), "");
    let stayed = began.elapsed();
    assert!(stayed < Duration::from_millis(4_500), "{stayed:?}");
    drop(held.pop());
    soon("a place became free", || async {
        client.get("/profile").send().await.status == 401
    })
    .await;
}

#[tokio::test]
async fn clients_that_hang_up_in_the_middle_leave_nothing_behind() {
    let (server, client) = start(&[]);
    register(&client, "ada").await;
    let open = || {
        let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid()));
        files.unwrap().count()
    };
    let before = open();
    let body = json!({"username": "bob", "password": PASSWORD}).to_string();
    let length = body.len();
    let head = format!(
        "POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    let whole = head + &body;
    for cut in (1..=whole.len()).step_by(3).chain([whole.len()]) {
        connect(&server)
            .write_all(&whole.as_bytes()[..cut])
            .unwrap();
    }
    soon("as many files open as before", || async {
        open() <= before + 20
    })
    .await;
    login(&client, "ada").await;
    client.get("/readyz").send().await.expect(200);
}

/// With hashing that takes its time, and a queue of four, of which registration may use one.
fn slow_hashing() -> Home {
    let slow = [
        ("password.argon2.memory_kib", "65536"),
        ("password.argon2.iterations", "3"),
        ("limits.hashing_queue", "4"),
    ];
    set(Home::new(PROGRAM), &slow)
}

#[tokio::test]
async fn a_full_hashing_queue_answers_busy_and_registration_cannot_fill_it() {
    let server = slow_hashing().start();
    let client = server.client();
    register(&client, "ada").await;
    let flood: Vec<_> = (0..12)
        .map(|n| {
            let body = json!({"username": format!("u{n}"), "password": PASSWORD});
            tokio::spawn(client.post("/register").json(&body).send())
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    login(&client, "ada").await;
    let (mut made, mut busy) = (0, 0);
    for answer in flood {
        let answer = answer.await.unwrap();
        if answer.status == 201 {
            made += 1;
        } else {
            answer.refused(503, "busy");
            well_formed(&answer);
            busy += 1;
        }
    }
    assert!(made >= 1 && busy >= 1, "{made} {busy}");
    let logins: Vec<_> = (0..16)
        .map(|_| {
            let body = json!({"username": "ada", "password": PASSWORD});
            tokio::spawn(client.post("/login").json(&body).send())
        })
        .collect();
    let mut statuses = Vec::new();
    for answer in logins {
        let answer = answer.await.unwrap();
        if answer.status == 503 {
            answer.refused(503, "busy");
            well_formed(&answer);
        }
        statuses.push(answer.status);
    }
    // Ten of them pass the throttle, of which the queue holds four.
    assert!(
        statuses.contains(&200) && statuses.contains(&503),
        "{statuses:?}"
    );
}

/// Nobody looked at the password, so it was not a wrong one.
#[tokio::test]
async fn being_turned_away_busy_counts_against_nobody() {
    let server = set(slow_hashing(), &[("limits.login_failures", "3")]).start();
    let client = server.client();
    let mut ada = newcomer(&client, "ada").await;
    // A crowd that keeps the queue full for as long as this test wants it.
    let crowd: Vec<_> = (0..8)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                for round in 0.. {
                    let body =
                        json!({"username": format!("nobody{n}-{round}"), "password": PASSWORD});
                    let answer = client.post("/login").json(&body).send().await;
                    assert!([401, 503].contains(&answer.status), "{answer:?}");
                }
            })
        })
        .collect();
    let login = json!({"username": "ada", "password": PASSWORD});
    let change = json!({"username": "ada", "current_password": PASSWORD});
    let (mut logins, mut changes) = (0, 0);
    for _ in 0..400 {
        if logins > 4 && changes > 6 {
            break;
        }
        let answer = client.post("/login").json(&login).send().await;
        if answer.status != 200 {
            answer.refused(503, "busy");
            well_formed(&answer);
            logins += 1;
        }
        let request = client.patch("/profile").bearer(&ada.access).json(&change);
        let answer = request.send().await;
        if answer.status == 200 {
            // Its names were set, so the token is outdated.
            ada = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
        } else {
            answer.refused(503, "busy");
            changes += 1;
        }
    }
    for task in crowd {
        task.abort();
    }
    assert!(
        logins > 4 && changes > 6,
        "the queue was never full: {logins} {changes}"
    );
}
