//! The walls between the crates, as `crates/walls.toml` states them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

type Names = BTreeSet<String>;

/// What `cargo metadata` says of one crate of the workspace, dev-dependencies left out.
struct Crate {
    name: String,
    direct: Names,
    transitive: Names,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_path_buf()
}

fn walls() -> toml::Table {
    fs::read_to_string(root().join("crates/walls.toml"))
        .unwrap()
        .parse()
        .unwrap()
}

fn strings(value: Option<&toml::Value>) -> Vec<&str> {
    let array = value.and_then(toml::Value::as_array);
    array
        .into_iter()
        .flatten()
        .map(|item| item.as_str().expect("a string"))
        .collect()
}

/// Reads the graph for this platform only, so that it needs nothing that the build did not fetch.
/// It may hold more than is built (a feature that is asked for only where another crate is there
/// counts as asked for), never less.
fn metadata() -> Value {
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(args)
            .current_dir(root())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let version = run("rustc", &["-vV"]);
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let args = [
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        host,
    ];
    serde_json::from_str(&run(&cargo, &args)).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("no list {key}"))
        .iter()
}

fn workspace(metadata: &Value) -> Vec<Crate> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: BTreeMap<_, _> = list(metadata, "packages")
        .map(|p| (text(&p["id"]), p))
        .collect();
    let edges: BTreeMap<_, Vec<_>> = list(&metadata["resolve"], "nodes")
        .map(|node| {
            let linked = list(node, "deps")
                .filter(|dep| list(dep, "dep_kinds").any(|kind| kind["kind"] != "dev"))
                .map(|dep| text(&dep["pkg"]));
            (text(&node["id"]), linked.collect())
        })
        .collect();

    list(metadata, "workspace_members")
        .map(text)
        .map(|id| {
            // The manifest rather than the graph: it also has what is for other platforms, or
            // optional.
            let direct = list(names[&id], "dependencies").filter(|dep| dep["kind"] != "dev");
            let direct = direct.map(|dep| text(&dep["name"])).collect();
            let (mut seen, mut waiting) = (BTreeSet::new(), vec![&id]);
            while let Some(next) = waiting.pop() {
                waiting.extend(edges[next].iter().filter(|dep| seen.insert(*dep)));
            }
            let transitive = seen
                .into_iter()
                .map(|id| text(&names[id]["name"]))
                .collect();
            Crate {
                name: text(&names[&id]["name"]),
                direct,
                transitive,
            }
        })
        .collect()
}

/// Every difference between the walls and the crates, one line each.
fn breaches(walls: &toml::Table, crates: &[Crate]) -> Vec<String> {
    let entries = walls["crate"].as_table().unwrap();
    let mut found = Vec::new();
    for name in entries
        .keys()
        .filter(|name| crates.iter().all(|krate| krate.name != **name))
    {
        found.push(format!("{name}: there is no such crate"));
    }
    for Crate {
        name,
        direct,
        transitive,
    } in crates
    {
        let Some(entry) = entries.get(name) else {
            found.push(format!("{name}: has no entry in walls.toml"));
            continue;
        };
        let reasons = entry["may_use"].as_table().unwrap();
        for (dependency, why) in reasons {
            if why.as_str().is_none_or(str::is_empty) {
                found.push(format!("{name}: may use {dependency}, but why?"));
            }
        }
        let allowed: Names = reasons.keys().cloned().collect();
        found.extend(
            direct
                .difference(&allowed)
                .map(|d| format!("{name}: may not use {d}")),
        );
        found.extend(
            allowed
                .difference(direct)
                .map(|d| format!("{name}: does not use {d}")),
        );
        for never in strings(entry.get("never_transitively")) {
            if transitive.contains(never) {
                found.push(format!(
                    "{name}: brings in {never}, see `cargo tree -i {never}`"
                ));
            }
        }
    }
    found
}

fn sources() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let folders = ["crates", "examples"].map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let crates = folders
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    for krate in crates.chain([root().join("bench")]) {
        let name = krate.file_name().unwrap().to_str().unwrap();
        // The pages of the storefront stand beside its crate.
        let mut folders = vec![krate.join("src"), krate.join("api/src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    found.push((name.to_owned(), path));
                }
            }
        }
    }
    assert!(found.len() > 5, "the sources were not found");
    found
}

/// Every line of code (comments may speak freely) that stands on the wrong side of a wall.
fn misplaced(walls: &toml::Table, krate: &str, text: &str) -> Vec<String> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let mut found = Vec::new();
    for rule in walls["source"].as_array().unwrap() {
        let banned = rule["text"].as_str().unwrap();
        if strings(rule.get("only_in")).contains(&krate) {
            continue;
        }
        let lines = text
            .lines()
            .filter(code)
            .filter(|line| line.contains(banned));
        found.extend(lines.map(|line| format!("{line}\n    {}", rule["why"].as_str().unwrap())));
    }
    found
}

#[test]
fn no_crate_depends_on_what_it_may_not_and_no_permission_is_stale() {
    let crates = workspace(&metadata());
    assert!(
        crates
            .iter()
            .any(|krate| krate.transitive.contains("sqlx-core")),
        "the graph is cut"
    );
    let breaches = breaches(&walls(), &crates);
    assert!(
        breaches.is_empty(),
        "crates/walls.toml and the crates differ:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn no_dependency_is_declared_and_unused() {
    let sources: Vec<_> = sources()
        .into_iter()
        .map(|(krate, path)| (krate, fs::read_to_string(path).unwrap()))
        .collect();
    for Crate { name, direct, .. } in workspace(&metadata()) {
        let folder = name.trim_start_matches("countersign-");
        for dependency in direct {
            let word = dependency.replace('-', "_");
            let used = sources
                .iter()
                .any(|(krate, text)| krate == folder && text.contains(&word));
            assert!(used, "{name} declares {dependency} and does not name it");
        }
    }
}

#[test]
fn no_source_line_reaches_over_a_wall() {
    let walls = walls();
    for (krate, path) in sources() {
        let found = misplaced(&walls, &krate, &fs::read_to_string(&path).unwrap());
        assert!(
            found.is_empty(),
            "{}:\n{}",
            path.display(),
            found.join("\n")
        );
    }
}

#[test]
fn no_file_has_outgrown_one_subject() {
    let most = walls()["max_lines_per_file"].as_integer().unwrap();
    for (_, path) in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines as i64 <= most,
            "{} has {lines} lines: look for a seam",
            path.display()
        );
    }
}

/// The tests above pass in a tidy house; these see to it that they would not in an untidy one.
#[test]
fn each_kind_of_breach_is_noticed() {
    let names = |list: &[&str]| {
        list.iter()
            .map(|name| (*name).to_owned())
            .collect::<Names>()
    };
    let walls: toml::Table = r#"
        [crate.a]
        never_transitively = ["tokio"]
        may_use = { serde = "data", base64 = "unused", hex = "" }
        [crate.gone]
        may_use = {}
        [[source]]
        text = "sqlx::"
        only_in = ["store"]
        why = "SQL"
    "#
    .parse()
    .unwrap();
    let krate = |name: &str, direct: &[&str], transitive: &[&str]| Crate {
        name: name.to_owned(),
        direct: names(direct),
        transitive: names(transitive),
    };
    let crates = [
        krate("a", &["serde", "hex", "axum"], &["serde", "tokio"]),
        krate("new", &[], &[]),
    ];
    assert_eq!(
        breaches(&walls, &crates),
        [
            "gone: there is no such crate",
            "a: may use hex, but why?",
            "a: may not use axum",
            "a: does not use base64",
            "a: brings in tokio, see `cargo tree -i tokio`",
            "new: has no entry in walls.toml",
        ]
    );
    assert!(misplaced(&walls, "store", "use sqlx::Row;").is_empty());
    assert!(misplaced(&walls, "flows", "// sqlx::Row is not for us").is_empty());
    assert_eq!(misplaced(&walls, "flows", "    sqlx::query(x)").len(), 1);
}
