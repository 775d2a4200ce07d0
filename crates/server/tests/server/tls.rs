//! TLS from files: with curl and certificates of openssl, as an operator would.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use countersign_testkit::Home;

use crate::support::*;

/// A certificate for 127.0.0.1 of its own making.
fn certificate(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (cert, key) = (
        directory.join(format!("{name}.pem")),
        directory.join(format!("{name}.key")),
    );
    let made = Command::new("openssl")
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj".split(' '),
        )
        .args([
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (cert, key)
}

fn curl(cert: &Path, url: &str) -> Output {
    Command::new("curl")
        .args(["-sSi", "--max-time", "10", "--cacert"])
        .arg(cert)
        .arg(url)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).to_ascii_lowercase()
}

fn with(home: Home, cert: &Path, key: &Path) -> Home {
    let [cert, key] = [cert, key].map(|path| path.to_str().unwrap());
    set(home, &[("tls.cert", cert), ("tls.key", key)])
}

#[test]
fn files_that_are_of_no_use_are_named_and_nothing_is_made() {
    let first = home();
    let place = certificates(&first);
    let (cert, key) = certificate(&place, "one");
    let (_, other) = certificate(&place, "two");
    let nowhere = place.join("nowhere");
    for (cert, key, words) in [
        (&nowhere, &key, "nowhere"),
        (&cert, &nowhere, "nowhere"),
        (&key, &key, "no certificate"),
        (&cert, &cert, "no private key"),
        (&cert, &other, "tls.cert and tls.key"),
    ] {
        let home = with(home(), cert, key);
        let ran = home.cli(&["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
        assert!(!home.data().exists(), "{words}");
    }
    let half = set(home(), &[("tls.cert", cert.to_str().unwrap())]);
    let ran = half.cli(&["serve"]);
    assert!(
        ran.code == Some(78) && ran.stderr.contains("tls.key"),
        "{ran:?}"
    );
}

/// A directory that goes with the home.
fn certificates(home: &Home) -> PathBuf {
    let place = home.path().join("certificates");
    std::fs::create_dir_all(&place).unwrap();
    place
}

#[tokio::test]
async fn curl_reaches_it_by_the_certificate_and_by_the_one_that_replaces_it() {
    let home = home();
    let place = certificates(&home);
    let ((first, key), (second, second_key)) =
        (certificate(&place, "first"), certificate(&place, "second"));
    let (cert, live) = (place.join("live.pem"), place.join("live.key"));
    std::fs::copy(&first, &cert).unwrap();
    std::fs::copy(&key, &live).unwrap();
    let server = with(home, &cert, &live).start();
    let url = format!("https://{}/", server.addr());
    assert!(
        server.stdout().contains(&format!("Running on {url}")),
        "{}",
        server.stdout()
    );
    let health = format!("{url}healthz");

    let unknown = curl(&second, &health);
    assert_eq!(unknown.status.code(), Some(60), "{unknown:?}");
    let plain = curl(&first, &health.replace("https:", "http:"));
    assert!(!plain.status.success(), "{plain:?}");
    let answer = curl(&first, &health);
    assert!(said(&answer).starts_with("http/1.1 200"), "{answer:?}");
    assert!(
        !said(&answer).contains("strict-transport-security"),
        "on loopback: {answer:?}"
    );
    let metadata = curl(
        &first,
        &format!("{url}.well-known/oauth-authorization-server"),
    );
    assert!(
        said(&metadata).contains(&format!("\"issuer\":\"{}\"", url.trim_end_matches('/'))),
        "{metadata:?}"
    );

    // Half of the new pair must not stop anybody from coming in.
    std::fs::copy(&second, &cert).unwrap();
    server.wait_for_log("a new certificate is of no use");
    assert!(said(&curl(&first, &health)).starts_with("http/1.1 200"));
    std::fs::copy(&second_key, &live).unwrap();
    let began = std::time::Instant::now();
    while !said(&curl(&second, &health)).starts_with("http/1.1 200") {
        assert!(
            began.elapsed().as_secs() < 30,
            "the new certificate is not taken over"
        );
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    assert_eq!(curl(&first, &health).status.code(), Some(60));

    let elsewhere = set(
        with(crate::support::home(), &cert, &live),
        &[("server.public_url", "https://login.example")],
    );
    let elsewhere = elsewhere.start();
    let answer = curl(&second, &format!("https://{}/healthz", elsewhere.addr()));
    let hsts = "strict-transport-security: max-age=31536000";
    assert!(said(&answer).contains(hsts), "{answer:?}");

    // Whoever says nothing, or nonsense, is in nobody's way.
    let address: SocketAddr = server.addr();
    let silent: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for mut stream in &silent[..10] {
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    }
    assert!(said(&curl(&second, &health)).starts_with("http/1.1 200"));
}
