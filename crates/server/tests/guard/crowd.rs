//! Strangers that take all there is.

use std::io::{Read, Write};
use std::net::TcpStream;

use countersign_guard::Policy;

use super::*;

const GENERAL: usize = 12;

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream
}

/// Connections of which some say nothing, some half of a request.
fn crowd(server: &Server, size: usize) -> Vec<TcpStream> {
    let half = |mut stream: TcpStream| {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthoriz")
            .unwrap();
        stream
    };
    let streams = (0..size).map(|n| match n % 3 {
        0 => connect(server),
        _ => half(connect(server)),
    });
    streams.collect()
}

fn service(server: &Server) -> String {
    let added = server.cli(&["client", "add", "shop", "--kind", "service", "--quiet"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    added.stdout.trim().to_owned()
}

async fn named(server: &Server, secret: &str) -> Guard {
    let builder = Guard::builder(&server.url("")).credentials("shop", secret);
    builder.policy(Policy::Strict).connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_hold_every_connection_keep_no_service_from_following() {
    let server = home()
        .env("COUNTERSIGN_LIMITS__CONNECTIONS", GENERAL.to_string())
        .start();
    let secret = service(&server);
    let before = named(&server, &secret).await;
    register(&server, "ada").await;
    let token = sign_in(&server, "ada").await;
    // It came before the crowd, on a connection that was counted with everybody's at first.
    let mut held = crowd(&server, GENERAL);
    // And past the limit there is a coming and going.
    held.extend(crowd(&server, 200));

    let stranger = server.client().get("/profile").send().await;
    assert_eq!((stranger.status, stranger.code()), (503, "busy".into()));
    assert_eq!(stranger.header("retry-after").as_deref(), Some("1"));
    let wrong = Guard::builder(&server.url("")).credentials("shop", "wrong");
    let refused = wrong.connect().await.unwrap_err().to_string();
    assert!(refused.contains("503"), "{refused}");
    let refused = Guard::connect(&server.url("")).await.unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");

    let after = named(&server, &secret).await;
    for guard in [&before, &after] {
        assert!(guard.check(&token).await.is_ok());
    }
    // Longer than anybody stays in the vestibule, and than a lease lasts.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert!(before.status().current && after.status().current);
    let ended = server.cli(&["session", "revoke", "--user", "ada"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for guard in [&before, &after] {
        until(guard, &token, "token_revoked", Duration::from_secs(1)).await;
    }
    // Those within still hold what they had.
    let mut within = held.swap_remove(1);
    within.write_all(b": x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    within.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_hold_every_poll_do_not_slow_a_service_down() {
    let server = home().start();
    let guard = named(&server, &service(&server)).await;
    register(&server, "ada").await;
    let ask = "GET /revocations?after=1&wait=30 HTTP/1.1\r\nHost: x\r\n\r\n";
    let asked = |place: i64| ask.replace("after=1", &format!("after={place}"));
    let at = guard.status().seq.0;
    // A few more than there are places: whoever looks below whether they are taken takes one.
    let mut polls: Vec<_> = (0..70).map(|_| connect(&server)).collect();
    for poll in &mut polls {
        poll.write_all(asked(at).as_bytes()).unwrap();
    }
    let query = format!("/revocations?after={at}");
    let began = Instant::now();
    while server.client().get(&query).send().await.status != 503 {
        assert!(began.elapsed() < Duration::from_secs(5), "never full");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut took = vec![];
    for _ in 0..10 {
        // Each logout answers the polls of all strangers, and they ask again.
        let token = sign_in(&server, "ada").await;
        assert!(guard.check(&token).await.is_ok());
        let logout = server.client().post("/logout").bearer(&token).send();
        let began = Instant::now();
        let _ = logout.await.expect(200);
        until(&guard, &token, "token_revoked", Duration::from_secs(1)).await;
        took.push(began.elapsed());
        let at = guard.status().seq.0;
        for poll in &mut polls {
            let _ = poll.read(&mut [0; 4096]).unwrap();
            poll.write_all(asked(at).as_bytes()).unwrap();
        }
    }
    took.sort_unstable();
    println!(
        "beside 64 polls of strangers: a logout within {:?} (median), {:?} (worst)",
        took[5], took[9]
    );
    assert!(took[5] < Duration::from_millis(500), "{took:?}");
}
