//! What is refused, and what the refusal says.

use super::*;

#[rustfmt::skip]
const NONSENSE: &[(&str, &str, &str)] = &[
    ("server.listen", "localhost:5000", "`127.0.0.1:5000`"),
    ("server.listen", "5000", "IP address and port"),
    ("server.public_url", "login.example.com", "http or https URL"),
    ("server.public_url", "ftp://example.com", "http or https URL"),
    ("server.public_url", "https://ada:plum@example.com", "http or https URL"),
    ("server.public_url", "https://example.com/?a=b", "without query"),
    ("server.public_url", "https://example.com#top", "fragment"),
    ("server.public_url", "https://example.com/a/../b", "http or https URL"),
    ("server.public_url", "https://example.com//", "http or https URL"),
    ("server.public_url", "https://example.com:0", "http or https URL"),
    ("server.public_url", "https://example.com:+80", "http or https URL"),
    ("server.public_url", "https://[::g]", "http or https URL"),
    ("server.public_url", "https://", "http or https URL"),
    ("server.trusted_proxies", "10.0.0.0/33", "block such as `10.0.0.0/8`"),
    ("server.trusted_proxies", "proxy.internal", "neither an IP address nor a block"),
    ("server.trusted_proxies", "10.0.0.5/8", "`10.0.0.0/8`?"),
    ("server.trusted_proxies", "0.0.0.0/0", "forge their address"),
    ("server.trusted_proxies", "10.0.0.1,,10.0.0.2", "neither an IP address nor a block"),
    ("server.data", "", "path"),
    ("server.request_timeout", "0s", "not within 100ms to 10m"),
    ("database.url", "mysql://db/app", "`postgres://user:password@host/database`"),
    ("database.url", "sqlite::memory:", "every login would be lost"),
    ("database.url", "sqlite:x.db?mode=memory", "no parameters"),
    ("token.algorithm", "none", "none of: `ES256`, `EdDSA`, `RS256`, `HS256`"),
    ("token.algorithm", "es256", "none of: `ES256`"),
    ("token.lifetime", "900", "duration such as `30s`"),
    ("token.lifetime", "", "duration such as"),
    ("token.lifetime", "-5m", "duration such as"),
    ("token.lifetime", "1.5h", "duration such as"),
    ("token.lifetime", "30m1h", "duration such as"),
    ("token.lifetime", "15 m", "duration such as"),
    ("token.lifetime", "99999999999999999999d", "duration such as"),
    ("token.lifetime", "18446744073709551615d", "duration such as"),
    ("token.lifetime", "0s", "not within 1s to 24h"),
    ("token.lifetime", "24h1ms", "not within 1s to 24h"),
    ("token.issuer", "my issuer", "without blanks"),
    ("token.audience", "", "1 to 255 bytes"),
    ("token.accept_hs256.secret", "super-secret", "well-known"),
    ("token.accept_hs256.secret", "k7#Vq9!zLm2@Xw4$Rb8", "has 19 bytes"),
    ("token.accept_hs256.until", "2027-01-31", "set both, or neither"),
    ("token.accept_hs256.until", "soon", "a date such as `2027-01-31`"),
    ("token.accept_hs256.until", "2027", "a date such as"),
    ("token.accept_hs256.until", "1795220000", "a date such as"),
    ("token.accept_hs256.until", "2027-02-31T25:00:00Z", "a date such as"),
    ("token.accept_hs256.claim", "", "1 to 255 bytes"),
    ("token.accept_hs256.subject", "email", "none of: `id`, `name`"),
    ("session.idle", "91d", "more than session.absolute, which is 90d"),
    ("session.refresh_grace", "6m", "not within 0s to 5m"),
    ("cookie.prefix", "__Secure-", "none of: `__Host-`, ``"),
    ("cookie.same_site", "Strict", "none of: `strict`, `lax`, `none`"),
    ("cookie.same_site", "none", "cors.origins names no site"),
    ("cors.origins", "*", "every site on the web"),
    ("cors.origins", "https://app.example.com/path", "not an origin"),
    ("cors.origins", "https://*.example.com", "not an origin"),
    ("cors.origins", "null", "not an origin"),
    ("forward_auth.hosts", "app.example.com", "not an origin"),
    ("forward_auth.hosts", "https://app.example.com/path", "not an origin"),
    ("forward_auth.hosts", "*", "every site on the web"),
    ("password.min_length", "0", "not within 1 to 1024"),
    ("password.min_length", "1025", "not within 1 to 1024"),
    ("password.min_length", "eight", "whole number"),
    ("password.blocklist", "builtin", "there is no file `builtin`"),
    ("password.argon2.memory_kib", "7", "not within 8"),
    ("password.argon2.lanes", "0", "not within 1 to 64"),
    ("password.argon2.iterations", "4294967296", "whole number"),
    ("limits.body_bytes", "64KB", "`64KiB`"),
    ("limits.body_bytes", "18446744073709551615MiB", "`64KiB`"),
    ("limits.header_bytes", "8191", "not within 8KiB to 1MiB"),
    ("limits.login_failures", "0", "not within 1"),
    ("registration.enabled", "yes", "neither `true` nor `false`"),
    ("audit.retention", "23h", "not within 1d"),
    ("log.level", "verbose", "none of: `error`, `warn`"),
    ("secret.key", "", "is empty"),
    ("secret.key", "super-secret-key", "well-known example"),
    ("secret.key_previous", "x7Kp", "4 bytes where at least 32"),
    ("secret.jwt_key", "your-256-bit-secret", "openssl rand -base64 48"),
];

#[test]
fn values_that_make_no_sense_are_refused_with_what_would_be_right() {
    for &(key, value, why) in NONSENSE {
        let problems = with(key, value).unwrap_err().0;
        assert_eq!(problems.len(), 1, "{key} = {value}: {problems:?}");
        let problem = &problems[0];
        assert_eq!(problem.key, key, "{value}");
        assert!(
            problem.message.contains(why),
            "{key} = {value}: {}",
            problem.message
        );
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let file = "registration = true\nsession = {}\ndatabse = {}\n[token]\nlifetme = '5m'\n\
                [server.listen]\nport = 1\n[quoted]\n'token.lifetime' = '5m'\n[metric]\nlisten = 'x'\n";
    let world = World::new("unknown")
        .file("countersign.toml", file)
        .file(".env", "FLASK_APP=a b c\nCOUNTERSIGN_LOG_LEVEL=info\n")
        .variable("COUNTERSIGN_SERVER__LISTN", "x")
        .variable("COUNTERSIGN_", "x")
        .variable("PATH", "/bin")
        .flag("server.dat", "x");
    let problems = world.problems().join("\n");
    for expected in [
        "registration (file countersign.toml): is no key",
        "databse (file countersign.toml): is no key",
        "token.lifetme (file countersign.toml): is no key; the nearest is token.lifetime",
        "quoted.\\\"token.lifetime\\\" (file",
        "metric.listen (file countersign.toml): is no key; the nearest is metrics.listen",
        "server.dat (command line): is no key; the nearest is server.data",
        "COUNTERSIGN_LOG_LEVEL (.env, line 2): is no variable of Countersign; the nearest is \
         COUNTERSIGN_LOG__LEVEL",
        "COUNTERSIGN_SERVER__LISTN (environment): is no \
         variable of Countersign; the nearest is COUNTERSIGN_SERVER__LISTEN",
        "COUNTERSIGN_ (environment",
        "server.listen (file countersign.toml): takes a string",
    ] {
        assert!(
            problems.contains(expected),
            "{expected}\nis not in\n{problems}"
        );
    }
    assert_eq!(problems.lines().count(), 10, "{problems}");
}

#[test]
fn all_problems_are_told_at_once_and_none_follows_from_another() {
    let world = World::new("all")
        .file(
            "countersign.toml",
            "[session]\nabsolute = 'soon'\nidle = '200d'\n",
        )
        .file(".env", "COUNTERSIGN_TOKEN__LIFETIME=25h\n")
        .flag("server.listen", "nowhere");
    let told = Config::load(&world.inputs).unwrap_err().to_string();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    assert_eq!(lines[0], "the configuration has 3 problems:");
    assert!(
        lines[1].starts_with("  server.listen (command line): `nowhere`"),
        "{told}"
    );
    assert!(
        lines[2].starts_with("  token.lifetime (.env, line 1): 1d1h is not within"),
        "{told}"
    );
    assert!(
        lines[3].starts_with("  session.absolute (file countersign.toml): `soon`"),
        "{told}"
    );
}

#[test]
fn a_secret_in_a_file_or_on_the_command_line_is_refused_even_where_it_would_not_count() {
    let world = World::new("misplaced")
        .file(
            "countersign.toml",
            &format!("[secret]\nkey = '{STRONG}'\njwt_key = '{STRONG}'\n"),
        )
        .variable("SECRET_KEY", OTHER)
        .flag("secret.jwt_key", STRONG);
    let problems = world.problems();
    assert_eq!(problems.len(), 3, "{problems:?}");
    for why in [
        "committed: set SECRET_KEY in",
        "committed: set JWT_SECRET_KEY in",
        "every program",
    ] {
        assert!(problems.concat().contains(why), "{why}: {problems:?}");
    }
    assert!(!problems.concat().contains(STRONG));
}

#[test]
fn a_shared_jwt_secret_and_another_algorithm_exclude_each_other() {
    let world = World::new("algorithm").variable("JWT_SECRET_KEY", STRONG);
    assert_eq!(
        world.value("token.algorithm"),
        ("HS256".into(), "from secret.jwt_key".into())
    );

    let world = world.flag("token.algorithm", "ES256");
    assert!(
        world.problems()[0].contains("ES256 beside JWT_SECRET_KEY"),
        "{:?}",
        world.problems()
    );

    let world = world.flag("token.algorithm", "HS256");
    assert_eq!(
        world.value("token.algorithm"),
        ("HS256".into(), "command line".into())
    );

    let world = world.variable("SECRET_KEY", STRONG);
    assert!(
        world.problems()[0].contains("same as SECRET_KEY"),
        "{:?}",
        world.problems()
    );
}

#[test]
fn postgres_needs_a_secret_key() {
    let world = World::new("postgres").variable("DATABASE_URL", "postgres://u:plum@db/app");
    let problems = world.problems();
    assert!(
        problems[0].contains("SECRET_KEY must be set"),
        "{problems:?}"
    );
    assert!(!problems[0].contains("plum"));

    let config = world.variable("SECRET_KEY", STRONG).config();
    assert_eq!(config.database.url.engine(), Engine::Postgres);
    assert_eq!(config.database.url.expose(), "postgres://u:plum@db/app");
}

#[test]
fn argon2_memory_must_suffice_for_its_lanes() {
    let world = World::new("lanes")
        .flag("password.argon2.memory_kib", "31")
        .flag("password.argon2.lanes", "4");
    assert!(world.problems()[0].contains("31 is too little for 4 lanes: at least 32"));
    world.flag("password.argon2.memory_kib", "32").config();
}

#[test]
fn lines_of_dotenv_that_cannot_be_taken_as_they_stand_are_refused_without_being_repeated() {
    for (line, why) in [
        (format!("SECRET_KEY={STRONG}$x"), "`$` would be expanded"),
        (
            format!("SECRET_KEY=\"it's {STRONG} $x\""),
            "`$` would be expanded",
        ),
        (format!("SECRET_KEY=two {STRONG}"), "single quotes"),
        (format!("SECRET_KEY=\"{STRONG}"), "single quotes"),
        (
            format!("SECRET_KEY={STRONG}\nexport SECRET_KEY={STRONG}"),
            "set twice",
        ),
    ] {
        let problems = World::new("dotenv-bad").file(".env", &line).problems();
        assert_eq!(problems.len(), 1, "{line}: {problems:?}");
        assert!(problems[0].contains(why), "{line}: {problems:?}");
        assert!(
            problems[0].starts_with("SECRET_KEY (.env, line "),
            "{problems:?}"
        );
        assert!(!problems[0].contains(STRONG));
    }
}

#[test]
fn a_dotenv_shared_with_other_programs_is_no_trouble() {
    let foreign =
        "\u{feff}# ours and theirs\nMOTD=it's a nice day\nURL=${HOST}/x\nno equals sign\n\r\n";
    let ours =
        format!(" export COUNTERSIGN_LOG__LEVEL = debug # loud\r\nSECRET_KEY='a$b #{STRONG}'\n");
    let world = World::new("dotenv-good").file(".env", &(foreign.to_string() + &ours));
    assert_eq!(
        world.value("log.level"),
        ("debug".into(), ".env, line 6".into())
    );
    let secret = world.config().secret.key.unwrap();
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&secret),
        &format!("a$b #{STRONG}")
    );
}

#[test]
fn files_that_cannot_be_read_are_refused_without_being_repeated() {
    for (text, why) in [
        ("[database]\nurl = 'postgres://u:plum@db", "line 2"),
        (
            "[token]\nlifetime = '1h'\nlifetime = '2h'\n",
            "duplicate key",
        ),
        ("[token]\nlifetime = 1.5\n", "takes a string"),
        ("[token]\nlifetime = ['1h']\n", "one value, not a list"),
        ("[cors]\norigins = [1]\n", "list of strings"),
    ] {
        let problems = World::new("file-bad")
            .file("countersign.toml", text)
            .problems();
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].contains(why), "{text}: {problems:?}");
        assert!(!problems[0].contains("plum"), "{problems:?}");
    }
    let mut world = World::new("file-none");
    world.inputs.file = Some(PathBuf::from("absent.toml"));
    assert!(world.problems()[0].starts_with("the file (file absent.toml): No such file"));
    let world = World::new("file-big").file(".env", &"#".repeat((1 << 20) + 1));
    assert!(world.problems()[0].contains("larger than 1 MiB"));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let bytes = |text: &[u8]| std::ffi::OsString::from_vec(text.into());
    let mut world = World::new("bytes");
    world
        .inputs
        .environment
        .push((bytes(b"SECRET_KEY"), bytes(b"\xff")));
    world
        .inputs
        .environment
        .push((bytes(b"\xff"), bytes(b"\xff")));
    assert_eq!(world.problems(), ["SECRET_KEY (environment): is not UTF-8"]);
}

#[test]
fn what_is_refused_is_quoted_short_and_without_control_characters() {
    let message = with("log.level", &"\u{1b}[31m".repeat(1000))
        .unwrap_err()
        .to_string();
    assert!(
        message.len() < 400 && !message.contains('\u{1b}'),
        "{message}"
    );
    let name = format!("COUNTERSIGN_\u{1b}{}", "X".repeat(1000));
    let message = Config::load(&World::new("long").variable(&name, "x").inputs).unwrap_err();
    assert!(
        message.0[0].key.len() < 120 && !message.0[0].key.contains('\u{1b}'),
        "{message}"
    );
    assert!(!message.to_string().contains('\u{1b}') && message.to_string().len() < 500);
}
