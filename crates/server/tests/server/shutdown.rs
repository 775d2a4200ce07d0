//! Stopping: what is under way is finished, and nothing acknowledged is lost.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use countersign_testkit::Home;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_stopping_server_finishes_what_is_in_flight_and_takes_nothing_new() {
    let slow = [
        ("password.argon2.memory_kib", "65536"),
        ("password.argon2.iterations", "4"),
    ];
    let home = set(Home::new(PROGRAM), &slow);
    let server = home.start();
    let (address, client) = (server.addr(), server.client());
    // An idle connection must not hold it up.
    let mut idle = TcpStream::connect(address).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    let body = json!({"username": "ada", "password": PASSWORD});
    let in_flight = tokio::spawn(client.post("/register").json(&body).send());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let exit = tokio::task::spawn_blocking(move || server.terminate())
        .await
        .unwrap();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    assert!(exit.stderr.contains("stopping"), "{exit:?}");
    in_flight.await.unwrap().expect(201);
    assert!(TcpStream::connect(address).is_err());
    let server = home.start();
    login(&server.client(), "ada").await;
}

#[tokio::test]
async fn a_request_that_does_not_end_is_left_behind_after_the_grace() {
    let (server, _client) = start(&[("server.shutdown_grace", "300ms")]);
    let mut stuck = TcpStream::connect(server.addr()).unwrap();
    stuck.write_all(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let exit = tokio::task::spawn_blocking(move || server.terminate())
        .await
        .unwrap();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(exit.stderr.contains("shutdown_grace"), "{exit:?}");
}
