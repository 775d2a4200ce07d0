//! What a wrong configuration is told, and what `config` shows.

use super::{answer, done, home, refused};

const STRONG: &str = "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a";
const OTHER: &str = "Kq8eYw2Rt5Zu1Pi7Lo3As9Df4Gh6Jc0V";

#[test]
fn a_wrong_configuration_exits_with_78_before_anything_is_made() {
    let postgres = "postgres://nobody:hunter2-hunter2@127.0.0.1:1/none";
    for (home, says) in [
        (
            home().file("countersign.toml", "[server]\nlissten = 'x'\n"),
            "server.listen",
        ),
        (
            home().env("COUNTERSIGN_TOKEN__LIFETIM", "1m"),
            "COUNTERSIGN_TOKEN__LIFETIME",
        ),
        (
            home().env("COUNTERSIGN_TOKEN__LIFETIME", "soon"),
            "token.lifetime",
        ),
        (
            home().file("countersign.toml", "[secret]\nkey = 'hunter2-hunter2'\n"),
            "SECRET_KEY",
        ),
        (
            home().file(".env", "SECRET_KEY=hunter2-hunter2\n"),
            ".env, line 1",
        ),
        (
            home().env("JWT_SECRET_KEY", "hunter2-hunter2"),
            "at least 32 are needed",
        ),
        (
            home().env("COUNTERSIGN_DATABASE__URL", postgres),
            "SECRET_KEY must be set",
        ),
    ] {
        for args in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["user", "list"],
            &["config"],
        ] {
            let exit = home.cli(args);
            refused(&exit, 78, &[says]);
            assert!(!exit.stderr.contains("hunter2-hunter2"), "{exit:#?}");
        }
        let json = home.cli(&["user", "list", "--json"]);
        assert!(
            json.stderr.starts_with(r#"{"code":"configuration""#),
            "{json:#?}"
        );
        assert!(!home.data().exists());
    }
    refused(
        &home().cli(&["config", "--config", "none.toml"]),
        78,
        &["none.toml"],
    );
}

#[test]
fn a_database_that_cannot_be_reached_is_unavailable_and_its_password_stays_hidden() {
    let home = home()
        .env(
            "COUNTERSIGN_DATABASE__URL",
            "postgres://nobody:hunter2@127.0.0.1:1/none",
        )
        .env("SECRET_KEY", STRONG);
    let exit = home.cli(&["user", "list", "--json"]);
    assert_eq!(exit.code, Some(1), "{exit:#?}");
    assert!(
        exit.stderr.starts_with(r#"{"code":"unavailable""#),
        "{exit:#?}"
    );
    assert!(!exit.stderr.contains("hunter2"), "{exit:#?}");
}

#[test]
fn config_shows_where_each_value_came_from_and_no_secret() {
    let home = home()
        .env("SECRET_KEY", STRONG)
        .file(".env", &format!("JWT_SECRET_KEY={OTHER}\n"))
        .file("countersign.toml", "[token]\nlifetime = '10m'\n")
        .env(
            "DATABASE_URL",
            "postgres://ada:hunter2@db.example.com/login",
        );
    let shown = answer(&home, &["config", "--data", "elsewhere"], "");
    let rows = shown["settings"].as_array().unwrap();
    let row = |key: &str| {
        let row = rows.iter().find(|row| row["key"] == key).unwrap();
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        (text("value"), text("source"))
    };
    for (key, value, source) in [
        ("server.listen", "127.0.0.1:5000", "default"),
        ("server.data", "elsewhere", "command line"),
        ("token.lifetime", "10m", "file countersign.toml"),
        ("token.algorithm", "HS256", "from secret.jwt_key"),
        (
            "database.url",
            "postgres://ada:***@db.example.com/login",
            "environment variable DATABASE_URL",
        ),
    ] {
        assert_eq!(row(key), (value.to_owned(), source.to_owned()), "{key}");
    }
    assert_eq!(row("secret.jwt_key").1, ".env, line 1");
    let text = done(&home.cli(&["config"])).to_owned();
    assert!(text.contains("environment variable SECRET_KEY"), "{text}");
    for secret in [STRONG, OTHER, "hunter2"] {
        assert!(
            !text.contains(secret) && !shown.to_string().contains(secret),
            "{text}"
        );
    }
}
