//! What is taken, from where, and how it is shown.

use super::*;

#[test]
fn flags_come_before_environment_before_dotenv_before_file_before_default() {
    let mut world = World::new("order");
    let expect = |world: World, value: &str, source: &str| {
        assert_eq!(world.value("token.lifetime"), (value.into(), source.into()));
        world
    };
    world = expect(world, "15m", "default");
    world = world.file("countersign.toml", "[token]\nlifetime = '1m'\n");
    world = expect(world, "1m", "file countersign.toml");
    world = world.file(".env", "COUNTERSIGN_TOKEN__LIFETIME=2m\n");
    world = expect(world, "2m", ".env, line 1");
    world = world.variable("COUNTERSIGN_TOKEN__LIFETIME", "3m");
    world = expect(
        world,
        "3m",
        "environment variable COUNTERSIGN_TOKEN__LIFETIME",
    );
    world = world.flag("token.lifetime", "4m");
    world = expect(world, "4m", "command line");
    assert_eq!(world.config().token.lifetime, Duration::from_mins(4));

    world = world.file("other.toml", "token.lifetime = '5m'\nlog.level = 'warn'\n");
    world.inputs.file = Some("other.toml".into());
    assert_eq!(
        world.value("log.level"),
        ("warn".into(), "file other.toml".into())
    );
}

#[test]
fn a_keys_own_variable_wins_over_its_well_known_one() {
    let world = World::new("alias").variable("DATABASE_URL", "sqlite:a.db");
    assert_eq!(
        world.value("database.url").1,
        "environment variable DATABASE_URL"
    );
    let world = world.variable("COUNTERSIGN_DATABASE__URL", "sqlite:b.db");
    assert_eq!(world.value("database.url").0, "sqlite:b.db");
    let nested = KEYS
        .iter()
        .find(|key| key.name == "password.argon2.memory_kib")
        .unwrap();
    assert_eq!(
        nested.variable(),
        "COUNTERSIGN_PASSWORD__ARGON2__MEMORY_KIB"
    );
}

#[rustfmt::skip]
const NOTATIONS: &[(&str, &str, &str)] = &[
    ("server.listen", "[::1]:80", "[::1]:80"),
    ("server.public_url", "HTTPS://Login.Example.COM:443/", "https://login.example.com"),
    ("server.public_url", "https://example.com/auth/", "https://example.com/auth"),
    ("server.public_url", "http://[0:0::1]:5000", "http://[::1]:5000"),
    ("server.trusted_proxies", "10.0.0.0/8, ::ffff:192.0.2.1", "10.0.0.0/8, 192.0.2.1"),
    ("server.trusted_proxies", "2001:DB8::/32", "2001:db8::/32"),
    ("cors.origins", "https://App.example.com/,http://[::1]:80", "https://app.example.com, http://[::1]"),
    ("cors.origins", "", ""),
    ("forward_auth.hosts", "https://App.example.com,http://10.0.0.7:8080", "https://app.example.com, http://10.0.0.7:8080"),
    ("cookie.prefix", "", ""),
    ("token.lifetime", "1h30m", "1h30m"),
    ("token.lifetime", "90m", "1h30m"),
    ("token.lifetime", "1s500ms", "1s500ms"),
    ("session.refresh_grace", "0s", "0s"),
    ("limits.body_bytes", "65536", "64KiB"),
    ("limits.body_bytes", "1 MiB", "1MiB"),
    ("limits.body_bytes", "65537", "65537"),
    ("database.url", "sqlite:///srv/countersign.db", "sqlite:///srv/countersign.db"),
    ("secret.key", STRONG, "(set, hidden)"),
];

#[test]
fn values_are_taken_in_every_notation_and_shown_in_one() {
    for &(key, value, shown) in NOTATIONS {
        let rows = with(key, value).unwrap().effective();
        let row = rows.iter().find(|row| row.key == key).unwrap();
        assert_eq!(row.value, shown, "{key} = {value}");
    }
    let file = "[server]\ntrusted_proxies = ['::1']\n[password]\nmin_length = 4\nargon2.lanes = 2\n\
                [registration]\nenabled = false\n[limits]\nbody_bytes = 2_048\n";
    let config = World::new("types").file("countersign.toml", file).config();
    assert_eq!((config.password.min_length, config.argon2.lanes), (4, 2));
    assert!(!config.registration.enabled);
    assert_eq!(config.limits.body_bytes, ByteSize(2048));
    assert!(
        config
            .server
            .trusted_proxies
            .contains("::1".parse().unwrap())
    );
}

#[test]
fn neither_rows_nor_debug_output_hold_a_secret() {
    let world = World::new("hidden")
        .variable(
            "DATABASE_URL",
            "postgres://ada:pl?um@har@db/app?sslpassword=bour",
        )
        .variable("SECRET_KEY", STRONG)
        .variable("JWT_SECRET_KEY", OTHER);
    let config = world.config();
    let rows = serde_json::to_string(&config.effective()).unwrap();
    for shown in [&rows, &format!("{config:?}")] {
        for hidden in [STRONG, OTHER, "pl?um", "har@", "um@", "bour"] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
    }
    assert_eq!(world.value("database.url").0, "postgres://ada:***@db/app");
    for (url, shown) in [
        ("postgres://db/app?password=plum@x", "postgres://db/app"),
        ("postgres://ada@db/app", "postgres://ada@db/app"),
    ] {
        let world = World::new("hidden-more")
            .variable("SECRET_KEY", STRONG)
            .flag("database.url", url);
        assert_eq!(world.value("database.url").0, shown);
    }
}

#[test]
fn a_block_holds_its_addresses_and_no_others() {
    let holds = |blocks: &str, address: &str| {
        let config = with("server.trusted_proxies", blocks).unwrap();
        config
            .server
            .trusted_proxies
            .contains(address.parse().unwrap())
    };
    for (blocks, address, held) in [
        ("", "127.0.0.1", false),
        ("10.0.0.0/9", "10.127.255.255", true),
        ("10.0.0.0/9", "10.128.0.0", false),
        ("10.0.0.0/9", "::ffff:10.1.2.3", true),
        ("10.0.0.0/9", "::a00:1", false),
        ("192.0.2.1", "192.0.2.2", false),
        ("2001:db8::/33", "2001:db8:7fff::1", true),
        ("2001:db8::/33", "2001:db8:8000::1", false),
        ("::1", "127.0.0.1", false),
    ] {
        assert_eq!(holds(blocks, address), held, "{blocks} {address}");
    }
}

#[test]
fn what_depends_on_another_key_follows_it() {
    let world = World::new("derived")
        .flag("server.listen", "127.0.0.1:5001")
        .flag("server.data", "/srv/50%?");
    assert_eq!(
        world.value("server.public_url"),
        ("http://127.0.0.1:5001".into(), "from server.listen".into())
    );
    assert_eq!(
        world.value("token.issuer"),
        (
            "http://127.0.0.1:5001".into(),
            "from server.public_url".into()
        )
    );
    assert_eq!(
        world.config().database.url.expose(),
        "sqlite:/srv/50%25%3F/countersign.db"
    );
    for (url, file) in [
        ("sqlite:/srv/50%25%3F/a.db", "/srv/50%?/a.db"),
        ("sqlite:///srv/a.db", "/srv/a.db"),
        ("sqlite:%", "%"),
        ("sqlite:a%+1%zz%c3%a9", "a%+1%zzé"),
    ] {
        let url = with("database.url", url).unwrap().database.url;
        assert_eq!(url.file(), Some(file.into()), "{url:?}");
    }

    let mut config = with("server.listen", "0.0.0.0:0").unwrap();
    config.listening_on("0.0.0.0:80".parse().unwrap());
    assert_eq!(config.server.public_url.to_string(), "http://127.0.0.1");
    assert_eq!(config.token.issuer, "http://127.0.0.1");

    let mut config = with("server.public_url", "https://example.com/auth/").unwrap();
    config.listening_on("127.0.0.1:9".parse().unwrap());
    assert_eq!(config.server.public_url.path(), "/auth");
    assert_eq!(
        config.server.public_url.origin().as_str(),
        "https://example.com"
    );
    assert!(config.server.public_url.origin().is_https());
    assert_eq!(config.token.issuer, "https://example.com/auth");
}

/// The defaults that the documents promise; every default is within its own bounds.
#[test]
fn without_any_source_the_defaults_hold() {
    let config = Config::defaults().unwrap();
    assert_eq!(config.effective().len(), KEYS.len());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:5000");
    assert_eq!(config.database.url.expose(), "sqlite:./data/countersign.db");
    assert_eq!(config.token.algorithm, Algorithm::Es256);
    assert_eq!(config.session.absolute, Duration::from_hours(90 * 24));
    assert_eq!(config.cookie.prefix, CookiePrefix::Host);
    assert_eq!(
        (
            config.argon2.memory_kib,
            config.argon2.iterations,
            config.argon2.lanes
        ),
        (19456, 2, 1)
    );
    assert!(config.cors.origins.is_empty() && config.server.trusted_proxies.is_empty());
    for key in KEYS {
        if let Fallback::Value(text) = key.default {
            with(key.name, text).unwrap();
        }
        assert!(
            key.doc.trim().ends_with('.') && !key.doc.contains('|'),
            "{}",
            key.name
        );
    }
}

#[test]
fn the_example_file_says_what_holds_without_it() {
    let active: String = example()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let world = World::new("example").file("countersign.toml", &active);
    let rows = |config: Config| {
        config
            .effective()
            .into_iter()
            .map(|row| (row.key, row.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rows(world.config()),
        rows(Config::defaults().unwrap()),
        "{active}"
    );
}

#[test]
fn the_pages_made_from_the_table_are_up_to_date() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, made) in [
        ("docs/reference/configuration.md", reference()),
        ("countersign.example.toml", example()),
    ] {
        let page = root.join(path);
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(page.parent().unwrap()).unwrap();
            fs::write(&page, &made).unwrap();
        }
        let stands = fs::read_to_string(&page).unwrap_or_default();
        assert!(
            stands == made,
            "{path} differs from the table of keys; renew it: \
             UPDATE=1 cargo test -p countersign-server --lib up_to_date"
        );
    }
}
