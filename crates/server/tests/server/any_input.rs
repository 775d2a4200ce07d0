//! Input that nobody thought of: generated, the same in each run.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::conventions::{body_routes, lives};
use crate::support::*;

/// The run is the same each time: a failure can be looked at again.
fn same_each_time(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        Just(json!(PASSWORD)),
        Just(json!("ada")),
        Just(json!("ada@example.com")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{0,12}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "username",
        "email",
        "password",
        "mode",
        "refresh_token",
        "all",
        "current_password",
        "new_password",
        "roles",
        "disabled",
        "name",
        "kind",
        "",
        "__proto__",
    ]);
    prop::collection::btree_map(name, any_json(), 0..8).prop_map(|map| {
        map.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

#[test]
fn no_json_whatever_makes_a_server_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, client) = start(&[]);
    let (routes, token) = runtime.block_on(body_routes(&server, &client));
    let mut runner = same_each_time(40);
    let done = runner.run(&any_body(), |body| {
        for route in &routes {
            let request = client
                .request(&route.method, &route.path)
                .bearer(&token)
                .json(&body);
            let answer = runtime.block_on(request.send());
            prop_assert!(answer.status < 500, "{} {body}: {answer:?}", route.id);
        }
        Ok(())
    });
    done.unwrap();
    runtime.block_on(lives(&client));
}

#[test]
fn no_path_query_or_header_whatever_makes_a_server_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, client) = start(&[]);
    let token = runtime.block_on(admin(&server, "root")).access;
    let escaped =
        |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("%{byte:02x}")).collect() };
    let bytes = || prop::collection::vec(any::<u8>(), 0..24);
    let header = prop::collection::vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8], 0..40);
    let done = same_each_time(60).run(&(bytes(), bytes(), header), |(one, two, header)| {
        let (one, two) = (escaped(&one), escaped(&two));
        for (method, path) in [
            ("GET", format!("/{one}/{two}")),
            ("DELETE", format!("/sessions/{one}")),
            ("GET", format!("/admin/users/{one}?{two}")),
            ("DELETE", format!("/admin/keys/{one}")),
            ("DELETE", format!("/admin/clients/{one}")),
            (
                "GET",
                format!("/admin/users?query={one}&cursor={two}&limit={two}"),
            ),
            ("GET", format!("/admin/users?query={one}")),
            ("GET", format!("/admin/sessions?cursor={one}")),
            ("GET", format!("/admin/audit?cursor={one}&{two}")),
        ] {
            let request = client.request(method, &path).bearer(&token);
            let answer = runtime.block_on(request.send());
            prop_assert!(answer.status < 500, "{method} {path}: {answer:?}");
        }
        for name in [
            "authorization",
            "cookie",
            "content-type",
            "origin",
            "sec-fetch-site",
            "x-forwarded-for",
            "user-agent",
        ] {
            for (method, path) in [("GET", "/profile"), ("POST", "/logout"), ("POST", "/login")] {
                let request = client.request(method, path).header(name, &header);
                let answer = runtime.block_on(request.send());
                prop_assert!(
                    (400..500).contains(&answer.status),
                    "{name} {header:?}: {answer:?}"
                );
            }
        }
        Ok(())
    });
    done.unwrap();
    runtime.block_on(lives(&client));
}
