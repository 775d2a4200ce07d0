//! `docs/seeds.md` names every row of the checklist, and tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn every_row_is_accounted_for() {
    let page = fs::read_to_string(root().join("docs/seeds.md")).unwrap();
    let mut rows = BTreeSet::new();
    for line in page.lines() {
        // Rows stand in the first column, or, of what comes later, in prose.
        let cell = line
            .strip_prefix("| ")
            .and_then(|rest| rest.split(" |").next())
            .unwrap_or(line);
        let words: Vec<&str> = cell
            .split([' ', ',', '.', ':', ';', '(', ')'])
            .filter(|word| !word.is_empty())
            .collect();
        for (at, word) in words.iter().enumerate() {
            let Ok(first) = word.parse::<u32>() else {
                continue;
            };
            let last = match words.get(at + 1..at + 3) {
                Some(["to", last]) => last.parse().unwrap_or(first),
                _ => first,
            };
            rows.extend(first..=last);
        }
    }
    let missing: Vec<u32> = (1..=124).filter(|row| !rows.contains(row)).collect();
    assert!(
        missing.is_empty(),
        "docs/seeds.md says nothing of {missing:?}"
    );
}

#[test]
fn every_test_that_is_named_exists() {
    let page = fs::read_to_string(root().join("docs/seeds.md")).unwrap();
    let mut named = 0;
    for name in page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains("::") && name.ends_with('…'))
    {
        let (module, test) = name.trim_end_matches('…').rsplit_once("::").unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/server")
            .join(module.replace("::", "/"));
        let source = fs::read_to_string(file.with_extension("rs"))
            .or_else(|_| fs::read_to_string(file.join("mod.rs")))
            .unwrap_or_else(|_| panic!("no module {module}"));
        assert!(source.contains(&format!("fn {test}")), "{name}");
        named += 1;
    }
    assert!(named > 80, "{named}");
}
