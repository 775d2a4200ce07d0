//! Each finding is found, and not cried without cause.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use countersign_flows::core::Timestamp;
use countersign_flows::vitals::Vitals;

use super::checks::{CHECKS, Severity};
use super::facts::{Database, Disk, Facts, FileFact, Public};
use crate::config::{Config, Inputs};

const NOW: i64 = 1_795_220_000_000;
const HOUR: i64 = 3_600_000;
const STRONG: &str = "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a";

fn config(settings: &[(&str, &str)]) -> Config {
    let proxied = [
        (
            "COUNTERSIGN_SERVER__PUBLIC_URL",
            "https://login.example.com",
        ),
        ("COUNTERSIGN_SERVER__TRUSTED_PROXIES", "127.0.0.1"),
        ("SECRET_KEY", STRONG),
    ];
    let all = proxied.iter().chain(settings);
    let inputs = Inputs {
        environment: all
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        directory: PathBuf::from("/nowhere"),
        ..Inputs::default()
    };
    Config::load(&inputs).unwrap()
}

/// Other values of these variables than a healthy server has.
fn set(facts: &mut Facts, settings: &[(&str, &str)]) {
    facts.config = config(settings);
}

fn file(path: &str, mode: u32, stands_alone: bool) -> FileFact {
    let path = path.into();
    FileFact {
        path,
        mode,
        stands_alone,
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn healthy() -> Facts {
    Facts {
        config: config(&[]),
        data: Some(file("data", 0o700, true)),
        unwritable: None,
        files: vec![
            file("data/countersign.db", 0o600, false),
            file(".env", 0o600, true),
        ],
        disk: Some(Disk {
            free: 50_000_000_000,
            total: 100_000_000_000,
        }),
        database: Database::Open(Vitals {
            now: at(NOW),
            clock_ahead_millis: 100,
            log_at: at(NOW - HOUR),
            right_secret: true,
            commit: Duration::from_millis(4),
            since: Some(at(NOW - 2_000 * HOUR)),
            last_backup: Some(at(NOW - 24 * HOUR)),
            any_imported: true,
        }),
        is_serving: true,
        public: Public::Issuer("https://login.example.com".to_owned()),
    }
}

fn vitals(facts: &mut Facts) -> &mut Vitals {
    match &mut facts.database {
        Database::Open(vitals) => vitals,
        other => panic!("{other:?}"),
    }
}

/// Tokens of a former program are accepted until then.
fn legacy(until: &'static str) -> [(&'static str, &'static str); 2] {
    [
        (
            "COUNTERSIGN_TOKEN__ACCEPT_HS256__SECRET",
            "Kq8eYw2Rt5Zu1Pi7Lo3As9Df4Gh6Jc0V",
        ),
        ("COUNTERSIGN_TOKEN__ACCEPT_HS256__UNTIL", until),
    ]
}

type Change = fn(&mut Facts);

/// For each check what makes it cry, and what looks like it and is no reason to.
const CASES: &[(&str, Change, Change)] = &[
    (
        "data_unwritable",
        |f| f.unwritable = Some(("data".into(), "Permission denied".to_owned())),
        |f| f.data = None,
    ),
    (
        "data_open_to_others",
        |f| f.data = Some(file("data", 0o755, true)),
        |f| f.files.push(file("data/secret.key", 0o644, false)),
    ),
    (
        "secrets_open_to_others",
        |f| f.files = vec![file(".env", 0o640, true)],
        // Nobody comes that far.
        |f| f.files = vec![file("data/secret.key", 0o644, false)],
    ),
    (
        "secrets_open_to_others",
        |f| {
            f.data = Some(file("data", 0o755, true));
            f.files = vec![file("data/secret.key", 0o604, false)];
        },
        |f| f.data = Some(file("data", 0o755, true)),
    ),
    (
        "disk_full",
        |f| {
            f.disk = Some(Disk {
                free: 99_000_000,
                total: 100_000_000_000,
            })
        },
        |f| {
            f.disk = Some(Disk {
                free: 101_000_000,
                total: 100_000_000_000,
            })
        },
    ),
    (
        "disk_nearly_full",
        |f| {
            f.disk = Some(Disk {
                free: 4_000_000_000,
                total: 100_000_000_000,
            })
        },
        // Little of a large disk is still much.
        |f| {
            f.disk = Some(Disk {
                free: 100_000_000_000,
                total: 10_000_000_000_000,
            })
        },
    ),
    (
        "secret_unusable",
        |f| f.database = Database::NoSecret("secret.key is missing".to_owned()),
        |f| f.database = Database::Missing,
    ),
    (
        "secret_of_another_database",
        |f| vitals(f).right_secret = false,
        |f| f.database = Database::Unreachable("away".to_owned()),
    ),
    (
        "secret_beside_the_data",
        |f| f.config.secret.key = None,
        |f| set(f, &[("DATABASE_URL", "postgres://db/x")]),
    ),
    (
        "secret_previous_left",
        |f| {
            set(
                f,
                &[("SECRET_KEY_PREVIOUS", "Kq8eYw2Rt5Zu1Pi7Lo3As9Df4Gh6Jc0V")],
            )
        },
        |_| {},
    ),
    (
        "jwt_secret_shared",
        |f| set(f, &[("JWT_SECRET_KEY", "Kq8eYw2Rt5Zu1Pi7Lo3As9Df4Gh6Jc0V")]),
        |f| set(f, &[("COUNTERSIGN_TOKEN__ALGORITHM", "RS256")]),
    ),
    (
        "legacy_tokens_accepted",
        |f| set(f, &legacy("2026-11-22")),
        |f| set(f, &legacy("2026-11-20")),
    ),
    (
        "legacy_tokens_over",
        |f| set(f, &legacy("2026-11-20")),
        |f| set(f, &legacy("2026-11-22")),
    ),
    (
        "legacy_tokens_of_nobody",
        |f| {
            set(f, &legacy("2026-11-22"));
            vitals(f).any_imported = false;
        },
        |f| {
            set(f, &legacy("2026-11-20"));
            vitals(f).any_imported = false;
        },
    ),
    (
        "database_missing",
        |f| f.database = Database::Missing,
        |f| {
            f.database = Database::Behind {
                found: None,
                steps: 1,
            }
        },
    ),
    (
        "database_unreachable",
        |f| f.database = Database::Unreachable("refused".to_owned()),
        |f| f.database = Database::Missing,
    ),
    (
        "database_newer",
        |f| f.database = Database::Newer { found: 9, known: 1 },
        |f| {
            f.database = Database::Behind {
                found: Some(1),
                steps: 1,
            }
        },
    ),
    (
        "database_behind",
        |f| {
            f.database = Database::Behind {
                found: Some(1),
                steps: 2,
            }
        },
        |f| f.database = Database::Newer { found: 9, known: 1 },
    ),
    (
        "database_slow",
        |f| vitals(f).commit = Duration::from_millis(100),
        |f| vitals(f).commit = Duration::from_millis(60),
    ),
    (
        "clock_off",
        |f| vitals(f).clock_ahead_millis = -6_000,
        |f| vitals(f).clock_ahead_millis = -5_000,
    ),
    (
        "clock_behind_the_log",
        |f| vitals(f).log_at = at(NOW + 61_000),
        |f| vitals(f).log_at = at(NOW + 59_000),
    ),
    (
        "public_url_silent",
        |f| f.public = Public::Silent("Connection refused".to_owned()),
        |f| {
            f.is_serving = false;
            f.public = Public::Silent("Connection refused".to_owned());
        },
    ),
    (
        "public_url_redirects",
        |f| f.public = Public::Redirected("https://login.example.com/".to_owned()),
        |f| f.public = Public::Other("404 Not Found".to_owned()),
    ),
    (
        "public_url_is_another",
        |f| f.public = Public::Other("200 OK without an issuer".to_owned()),
        |f| f.public = Public::Issuer("https://other.example.com".to_owned()),
    ),
    (
        "issuer_differs",
        |f| f.public = Public::Issuer("http://127.0.0.1:5000".to_owned()),
        |f| {
            set(f, &[("COUNTERSIGN_TOKEN__ISSUER", "urn:logins")]);
            f.public = Public::Issuer("urn:logins".to_owned());
        },
    ),
    (
        "cookies_need_https",
        |f| {
            set(
                f,
                &[("COUNTERSIGN_SERVER__PUBLIC_URL", "http://login.example.com")],
            )
        },
        |f| {
            set(
                f,
                &[(
                    "COUNTERSIGN_SERVER__PUBLIC_URL",
                    "http://app.localhost:8080",
                )],
            )
        },
    ),
    (
        "cookies_need_https",
        |f| {
            set(
                f,
                &[(
                    "COUNTERSIGN_SERVER__PUBLIC_URL",
                    "http://localhost.example.com",
                )],
            )
        },
        |f| {
            set(
                f,
                &[("COUNTERSIGN_SERVER__PUBLIC_URL", "http://[::1]:5000")],
            )
        },
    ),
    (
        "cookies_on_safari",
        |f| set(f, &[("COUNTERSIGN_SERVER__PUBLIC_URL", "http://127.0.0.2")]),
        |f| {
            set(
                f,
                &[("COUNTERSIGN_SERVER__PUBLIC_URL", "https://localhost")],
            )
        },
    ),
    (
        "proxies_not_named",
        |f| f.config.server.trusted_proxies = Default::default(),
        // Reached without a proxy, which speaks no TLS or is the server itself.
        |f| {
            f.config.server.trusted_proxies = Default::default();
            f.config.tls.cert = Some("cert.pem".into());
        },
    ),
    (
        "proxies_everybody",
        |f| {
            set(
                f,
                &[(
                    "COUNTERSIGN_SERVER__TRUSTED_PROXIES",
                    "0.0.0.0/1,128.0.0.0/1",
                )],
            )
        },
        |f| {
            set(
                f,
                &[(
                    "COUNTERSIGN_SERVER__TRUSTED_PROXIES",
                    "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fd00::/8",
                )],
            )
        },
    ),
    (
        "proxies_everybody",
        |f| set(f, &[("COUNTERSIGN_SERVER__TRUSTED_PROXIES", "2000::/3")]),
        |f| set(f, &[("COUNTERSIGN_SERVER__TRUSTED_PROXIES", "8.8.8.8")]),
    ),
    (
        "backup_never_made",
        |f| vitals(f).last_backup = None,
        |f| {
            vitals(f).last_backup = None;
            vitals(f).since = Some(at(NOW - 23 * HOUR));
        },
    ),
    (
        "backup_old",
        |f| vitals(f).last_backup = Some(at(NOW - 31 * 24 * HOUR)),
        |f| vitals(f).last_backup = Some(at(NOW - 29 * 24 * HOUR)),
    ),
    (
        "backup_by_other_means",
        |f| set(f, &[("DATABASE_URL", "postgres://db/x")]),
        |f| set(f, &[("DATABASE_URL", "sqlite:/srv/x.db")]),
    ),
];

fn codes(facts: &Facts) -> Vec<&'static str> {
    let findings = CHECKS.iter().filter_map(|check| check.of(facts));
    findings.map(|finding| finding.code).collect()
}

#[test]
fn a_healthy_server_has_no_finding() {
    assert_eq!(codes(&healthy()), [""; 0]);
}

#[test]
fn each_thing_that_is_wrong_is_found_and_what_looks_like_it_is_not_cried() {
    for (code, spoil, like_it) in CASES {
        let (mut wrong, mut well) = (healthy(), healthy());
        spoil(&mut wrong);
        like_it(&mut well);
        assert!(
            codes(&wrong).contains(code),
            "{code} is not found: {wrong:#?}"
        );
        assert!(!codes(&well).contains(code), "{code} is cried: {well:#?}");
        let finding = CHECKS.iter().find(|check| check.code == *code).unwrap();
        let finding = finding.of(&wrong).unwrap();
        assert!(!finding.what.is_empty() && !finding.mend.is_empty());
        assert!(!format!("{finding:?}").contains(STRONG));
    }
}

#[test]
fn each_check_has_a_case_and_a_line_in_the_manual() {
    let checks: BTreeSet<_> = CHECKS.iter().map(|check| check.code).collect();
    let cases: BTreeSet<_> = CASES.iter().map(|(code, ..)| *code).collect();
    assert_eq!(checks, cases);
    let manual = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/operations.md"
    ));
    for check in CHECKS {
        let severity = match check.severity {
            Severity::Information => "information",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let line = format!("| `{}` | {severity} |", check.code);
        assert!(manual.contains(&line), "docs/operations.md lacks {line}");
    }
}

#[test]
fn the_report_groups_by_area_and_colors_only_where_they_are_welcome() {
    let mut facts = healthy();
    facts.data = Some(file("data", 0o755, true));
    let findings: Vec<_> = CHECKS.iter().filter_map(|check| check.of(&facts)).collect();
    let worst = findings.iter().map(|finding| finding.severity).max();
    assert_eq!(worst, Some(Severity::Warning));
    let report = super::Report { worst, findings };
    let plain = report.text(false);
    assert!(plain.starts_with(
        "Files\n  warning  other users of this machine can look into data (mode 0755)\n           \
         chmod go= data\nSecrets    ok\n"
    ), "{plain}");
    let colored = report.text(true);
    assert!(!plain.contains('\x1b') && colored.contains("\x1b[33mwarning\x1b[0m"));
}
