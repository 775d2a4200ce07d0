//! SECURITY.md names a test for each requirement. Here each name is looked up in its file.

use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const SECURITY: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../SECURITY.md"));

/// What the first words of a path stand for, as the page says.
const SHORT: [(&str, &str); 7] = [
    ("token/", "crates/token/tests/token/"),
    ("flows/", "crates/flows/tests/flows/"),
    ("server/", "crates/server/tests/server/"),
    ("guarded/", "crates/server/tests/guard/"),
    ("embedded/", "crates/guard/src/tests/"),
    ("store/", "crates/store/tests/contract/"),
    ("model/", "crates/core/tests/core/interleavings/"),
];

fn file(path: &str) -> String {
    let long = SHORT
        .iter()
        .find_map(|(short, long)| Some(format!("{long}{}", path.strip_prefix(short)?)));
    long.unwrap_or_else(|| path.to_owned())
}

#[test]
fn every_test_that_security_md_names_exists() {
    let named: Vec<(&str, &str)> = SECURITY
        .split('`')
        .filter_map(|code| code.split_once(".rs::"))
        .collect();
    let is_there = |path: &str, test: &str| {
        let source = Path::new(ROOT).join(format!("{}.rs", file(path)));
        fs::read_to_string(source).is_ok_and(|source| source.contains(&format!("fn {test}(")))
    };
    let missing: Vec<_> = named
        .iter()
        .filter(|(path, test)| !is_there(path, test))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named.len() >= 60, "only {} tests are named", named.len());
    assert!(!is_there("token/rfc", "rfc_0000"));
    for (short, _) in SHORT {
        assert!(SECURITY.contains(&format!("`{short}`")), "{short}");
    }
}
