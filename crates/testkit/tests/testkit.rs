//! The helpers themselves, against a stand-in for the program and a server of a few lines.

#![expect(clippy::unwrap_used, reason = "a test's helpers")]

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;

use countersign_testkit::{Client, Home, Response, TempDir, TestDatabase, raw};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake-countersign");

mod program {
    use super::*;

    #[test]
    fn a_refusal_to_start_is_returned_with_its_reason() {
        let exit = Home::new(PROGRAM)
            .env("REFUSE", "no such key")
            .try_start()
            .unwrap_err();
        assert_eq!(exit.code, Some(78));
        assert_eq!(exit.stderr, "countersign: no such key\n");
    }

    #[test]
    fn nothing_that_configures_it_comes_from_the_machine() {
        // What else passes cargo's variable shows; script/services sets one that must not.
        let seen = Home::new(PROGRAM)
            .env("COUNTERSIGN_X__Y", "1")
            .cli(&["env"])
            .stdout;
        let names: Vec<_> = seen
            .lines()
            .filter_map(|line| line.split('=').next())
            .collect();
        assert!(names.contains(&"CARGO_MANIFEST_DIR") && names.contains(&"COUNTERSIGN_X__Y"));
        assert!(!names.contains(&"COUNTERSIGN_TEST_POSTGRES"));
    }

    #[test]
    fn commands_run_in_the_home_with_input_and_exit_code() {
        let home = Home::new(PROGRAM).file(".env", "A=b");
        assert_eq!(
            home.cli(&["pwd"]).stdout.trim_end(),
            home.path().to_str().unwrap()
        );
        assert_eq!(fs::read_to_string(home.path().join(".env")).unwrap(), "A=b");
        let echo = home.cli_with_input(&["cat"], "plum-harbour-41\n");
        assert_eq!(
            (echo.code, echo.stdout.as_str()),
            (Some(1), "plum-harbour-41\n")
        );
    }

    #[test]
    fn it_starts_logs_restarts_on_the_same_port_and_data_and_stops() {
        let mut server = Home::new(PROGRAM).env("LOG", "plum").start();
        server.wait_for_log("log: plum");
        assert_eq!(server.url("/x"), "http://127.0.0.1:4321/x");
        let (first, data) = (server.pid(), server.home().data());
        server.restart();
        assert_ne!(server.pid(), first);
        assert_eq!(server.addr().port(), 4321);
        assert_eq!(
            fs::read_to_string(data.join("starts")).unwrap(),
            "start\nstart\n"
        );
        assert!(
            server
                .cli(&["env"])
                .stdout
                .contains("COUNTERSIGN_SERVER__LISTEN=127.0.0.1:4321")
        );
        let exit = server.terminate();
        assert_eq!(exit.code, Some(0));
        assert!(exit.stdout.ends_with("stopped\n"), "{}", exit.stdout);
        assert!(!data.exists(), "the home outlived its last user");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn dropping_it_kills_it() {
        let server = Home::new(PROGRAM).start();
        let process = std::path::PathBuf::from(format!("/proc/{}", server.pid()));
        assert!(process.exists());
        drop(server);
        assert!(!process.exists());
    }

    #[test]
    fn a_database_is_handed_over_by_its_address() {
        let database = TestDatabase::sqlite();
        let seen = Home::new(PROGRAM).database(&database).cli(&["env"]).stdout;
        assert!(seen.contains(&format!("COUNTERSIGN_DATABASE__URL={}\n", database.url())));
    }
}

mod client {
    use super::*;

    /// Answers with what it was sent; sets the cookies that the header `x-set` asks for.
    async fn echo(request: hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let headers: Vec<_> = parts
            .headers
            .iter()
            .map(|(name, value)| json!([name.as_str(), value.as_bytes()]))
            .collect();
        let answer = json!({
            "code": "echo", "method": parts.method.as_str(), "path": parts.uri.to_string(),
            "headers": headers, "body": body.to_vec(),
        });
        let mut response = hyper::Response::new(Full::new(answer.to_string().into()));
        for value in parts.headers.get_all("x-set") {
            response.headers_mut().append("set-cookie", value.clone());
        }
        response
    }

    async fn serve() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service_fn(async |request| Ok::<_, Infallible>(echo(request).await));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        address
    }

    /// What the server saw of a header, in order.
    fn seen(response: &Response, name: &str) -> Vec<Vec<u8>> {
        let headers = response.json()["headers"].clone();
        let bytes = |value: &serde_json::Value| serde_json::from_value(value.clone()).unwrap();
        let headers = headers
            .as_array()
            .unwrap()
            .iter()
            .filter(|pair| pair[0] == name);
        headers.map(|pair| bytes(&pair[1])).collect()
    }

    #[tokio::test]
    async fn it_fails_where_nothing_listens() {
        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(Client::new(free).get("/").try_send().await.is_err());
    }

    #[tokio::test]
    async fn it_sends_what_it_is_told_and_nothing_else() {
        let address = serve().await;
        let sent = Client::new(address)
            .request("BREW", "/pot?a=%00")
            .header("x-name", b"caf\xc3\xa9\xff")
            .header("x-name", "again")
            .cookie("a=1")
            .cookie("a=2")
            .bearer("t")
            .body(*b"\x00\xff")
            .send()
            .await
            .expect(200);
        let echoed = sent.json();
        assert_eq!(echoed["method"], "BREW");
        assert_eq!(echoed["path"], "/pot?a=%00");
        assert_eq!(echoed["body"], json!([0, 255]));
        assert_eq!(
            seen(&sent, "x-name"),
            [b"caf\xc3\xa9\xff".to_vec(), b"again".to_vec()]
        );
        assert_eq!(seen(&sent, "cookie"), [b"a=1".to_vec(), b"a=2".to_vec()]);
        assert_eq!(seen(&sent, "authorization"), [b"Bearer t".to_vec()]);
        assert_eq!(seen(&sent, "host"), [address.to_string().into_bytes()]);
        let count = echoed["headers"].as_array().unwrap().len();
        assert_eq!(count, 2 + 2 + 1 + 1 + 1, "and content-length: {sent:?}");
        sent.refused(200, "echo");
    }

    #[tokio::test]
    async fn json_names_its_type_unless_told_otherwise() {
        let client = Client::new(serve().await);
        let plain = client.post("/").json(&json!({"a": 1})).send().await;
        assert_eq!(seen(&plain, "content-type"), [b"application/json".to_vec()]);
        assert_eq!(plain.json()["body"], json!(br#"{"a":1}"#.to_vec()));
        let odd = client
            .post("/")
            .header("content-type", "text/x")
            .json(&json!({}))
            .send()
            .await;
        assert_eq!(seen(&odd, "content-type"), [b"text/x".to_vec()]);
    }

    #[tokio::test]
    async fn only_a_jar_replays_cookies_and_it_forgets_on_demand() {
        let bare = Client::new(serve().await);
        let jar = bare.jar();
        for client in [&bare, &jar] {
            let set = client
                .get("/")
                .header("x-set", "a=1; Path=/")
                .header("x-set", "b=2");
            assert_eq!(set.send().await.cookies().len(), 2);
        }
        assert!(seen(&bare.get("/").send().await, "cookie").is_empty());
        assert_eq!(
            seen(&jar.get("/").send().await, "cookie"),
            [b"a=1; b=2".to_vec()]
        );
        let _ = jar.get("/").header("x-set", "a=; Max-Age=0").send().await;
        assert_eq!(
            (jar.stored("a"), jar.stored("b")),
            (None, Some("2".to_owned()))
        );
        assert_eq!(
            seen(&jar.clone().get("/").send().await, "cookie"),
            [b"b=2".to_vec()]
        );
    }

    #[tokio::test]
    async fn raw_bytes_reach_the_server_as_they_are() {
        let address = serve().await;
        let refused = raw(address, "GET / HTTP/9.9\r\n\r\n").await;
        assert!(
            refused.starts_with(b"HTTP/1.1 400"),
            "{}",
            String::from_utf8_lossy(&refused)
        );
        let twice = "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n";
        assert!(raw(address, twice).await.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn a_temporary_directory_is_below_the_system_one() {
    assert!(TempDir::new().path().starts_with(std::env::temp_dir()));
}
