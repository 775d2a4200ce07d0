//! Every statement, as text and as both engines parse it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use countersign_testkit::TestDatabase;

use crate::statement::gather;
use crate::{Db, Options};

gather! {
    clients, credentials, events, grants, identifiers, keys, log, sessions, throttle, users,
}

/// What is wrong with a statement that is meant for both engines.
fn offences(sql: &str) -> Vec<String> {
    let upper = sql.to_uppercase();
    let words: Vec<&str> = upper
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .collect();
    let has = |word: &str| words.contains(&word);
    let mut found: Vec<String> = [
        ("LIKE", "prefix search is key >= $1 AND key < $2"),
        ("ILIKE", "prefix search is key >= $1 AND key < $2"),
        ("GREATEST", "SQLite has none: write CASE"),
        ("LEAST", "SQLite has none: write CASE"),
        ("ROWID", "PostgreSQL has none"),
        ("CURRENT_TIMESTAMP", "time is a parameter"),
        ("NOW", "time is a parameter"),
        ("RANDOM", "randomness is a parameter"),
        ("TRUE", "SQLite has numbers"),
        ("FALSE", "SQLite has numbers"),
    ]
    .into_iter()
    .filter(|(word, _)| has(word))
    .map(|(word, why)| format!("{word}: {why}"))
    .collect();
    let writes = ["INSERT", "UPDATE", "DELETE"];
    if has("WITH") && writes.iter().any(|write| has(write)) {
        found.push("a write in WITH".to_owned());
    }
    if has("FOR") && has("SHARE") || upper.contains("FOR UPDATE") {
        found.push("FOR UPDATE: SQLite has none, lock by an UPDATE".to_owned());
    }
    for bad in ["::", "?", "\"", "`", "INSERT OR", ";", "--"] {
        if upper.contains(bad) {
            found.push(format!("{bad} is of one engine only"));
        }
    }
    for function in ["MAX(", "MIN("] {
        let argument = upper
            .split_once(function)
            .and_then(|(_, rest)| rest.split_once(')'));
        if argument.is_some_and(|(argument, _)| argument.contains(',')) {
            found.push(format!("{function} with two arguments: write CASE"));
        }
    }
    let numbers = placeholders(sql);
    for number in &numbers {
        for test in ["IS NULL", "IS NOT NULL"] {
            if upper.contains(&format!("${number} {test}")) {
                found.push(format!(
                    "${number} {test} has no type: write CAST(${number} AS …)"
                ));
            }
        }
    }
    let highest = numbers.last().copied().unwrap_or(0);
    if (1..=highest).any(|number| !numbers.contains(&number)) {
        found.push("a placeholder is left out".to_owned());
    }
    found
}

fn placeholders(sql: &str) -> BTreeSet<usize> {
    sql.split('$')
        .skip(1)
        .map(|rest| {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..end].parse().unwrap()
        })
        .collect()
}

#[test]
fn each_rule_of_portability_finds_its_offence() {
    for sql in [
        "SELECT a FROM t WHERE a LIKE $1",
        "SELECT GREATEST(a, $1) FROM t",
        "SELECT max(a, $1) FROM t",
        "SELECT a FROM t WHERE $1 IS NULL OR a = $1",
        "SELECT a FROM t WHERE a = $2",
        "WITH gone AS (DELETE FROM t RETURNING a) SELECT a FROM gone",
        "SELECT a FROM t WHERE a = ?",
        "SELECT a::TEXT FROM t",
        "SELECT a FROM t WHERE b = true",
        "SELECT a FROM t FOR UPDATE",
        "INSERT OR IGNORE INTO t VALUES ($1)",
        "UPDATE t SET a = now()",
    ] {
        assert_eq!(offences(sql).len(), 1, "{sql}: {:?}", offences(sql));
    }
    for sql in [
        "SELECT MAX(a) FROM t WHERE CAST($1 AS TEXT) IS NULL OR a = $1",
        "WITH one AS (SELECT a FROM t) SELECT a FROM one",
        "INSERT INTO t VALUES ($1, $2) ON CONFLICT (a) DO UPDATE SET b = $2 RETURNING a",
    ] {
        assert!(offences(sql).is_empty(), "{sql}: {:?}", offences(sql));
    }
}

#[test]
fn every_statement_is_portable() {
    let offending: Vec<_> = every_statement()
        .map(|statement| (statement.name, offences(statement.sql)))
        .filter(|(_, offences)| !offences.is_empty())
        .collect();
    assert!(offending.is_empty(), "{offending:#?}");
}

#[tokio::test]
async fn both_engines_accept_every_statement() {
    assert!(every_statement().count() > 50);
    for database in TestDatabase::each().await {
        let db = Db::open(&Options::new(database.url())).await.unwrap();
        let mut refused = Vec::new();
        for statement in every_statement() {
            if let Err(error) = db.prepare(statement.sql).await {
                refused.push(format!("{}: {error}", statement.name));
            }
        }
        assert!(refused.is_empty(), "{}: {refused:#?}", db.engine_name());
        assert!(db.prepare("SELECT nothing FROM nowhere").await.is_err());
    }
}

/// A module that neither names the driver nor builds a `Statement` has only `statements!` left.
#[test]
fn sql_is_sent_through_registered_statements_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let with = |needle: &str| {
        let mut names: Vec<String> = fs::read_dir(&source)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file() && fs::read_to_string(path).unwrap().contains(needle))
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let drivers = [
        "conn.rs",
        "db.rs",
        "error.rs",
        "migrate.rs",
        "snapshot.rs",
        "source.rs",
        "writer.rs",
    ];
    assert_eq!(with("sqlx::"), drivers);
    assert_eq!(with("statement::Statement {"), ["statement.rs"]);
    assert_eq!(with("Statement {\n"), ["statement.rs"]);
    let listed: Vec<_> = MODULES
        .iter()
        .map(|module| format!("{module}.rs"))
        .collect();
    assert_eq!(
        with("\nstatements! {"),
        listed,
        "gather! names every module with statements"
    );
}
