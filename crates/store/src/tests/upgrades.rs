//! Databases of every version that there was, brought to the newest and beyond.
//!
//! `schemas/N.sql` is the schema of version N as this project wrote it; `schemas/data.sql` a row of
//! each kind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use countersign_core::{Seq, UserId};
use countersign_testkit::TestDatabase;

use super::settings::sql;
use crate::migrate::{REGISTER, SCHEMA_VERSION, for_postgres, for_sqlite, plan_with};
use crate::schema::{MIGRATIONS, Migration};
use crate::{Db, Options, StoreError, events, log, snapshot, users};

const SCHEMAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/schemas");
const DATA: &str = include_str!("schemas/data.sql");

/// The schema of a version, as its file has it.
fn fixture(version: i64) -> String {
    let steps = MIGRATIONS.iter().filter(|step| step.version <= version);
    let statements = steps.flat_map(|step| step.statements);
    statements.map(|sql| format!("{sql};\n\n")).collect()
}

#[test]
fn the_schema_of_every_version_stays_what_it_was() {
    for Migration { version, .. } in MIGRATIONS {
        let path = format!("{SCHEMAS}/{version}.sql");
        if std::env::var_os("UPDATE").is_some() && !fs::exists(&path).unwrap() {
            fs::write(&path, fixture(*version)).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default() == fixture(*version),
            "{path} is not what the migrations make. A new version: UPDATE=1 cargo test -p \
             countersign-store --lib stays_what_it_was. A version that is out there already: do not \
             change its migration, add another"
        );
    }
}

/// The newest migrations of this binary, and one more.
fn and_one_to_come(statements: &'static [&'static str]) -> &'static [Migration] {
    let next = Migration {
        version: SCHEMA_VERSION + 1,
        name: "to come",
        statements,
    };
    let all: Vec<_> = MIGRATIONS.iter().copied().chain([next]).collect();
    Vec::leak(all)
}

const NEXT: &[&str] = &[
    "ALTER TABLE users ADD COLUMN note TEXT",
    "CREATE TABLE to_come (id BYTES NOT NULL PRIMARY KEY, name KEYTEXT NOT NULL)",
    "CREATE INDEX to_come_by_name ON to_come (name)",
];

const BROKEN: &[&str] = &[NEXT[0], "ALTER TABLE nothing ADD COLUMN x TEXT"];

/// A database as version `version` left it, with a row of each kind.
async fn of_version(database: &TestDatabase, version: i64) {
    let postgres = database.is_postgres();
    let dialect = if postgres { for_postgres } else { for_sqlite };
    let data = if postgres {
        DATA.replace("x'", "'\\x")
    } else {
        fs::write(file(database), "").unwrap();
        DATA.to_owned()
    };
    let schema = fs::read_to_string(format!("{SCHEMAS}/{version}.sql")).unwrap();
    database.execute(REGISTER).await;
    for step in MIGRATIONS.iter().filter(|step| step.version <= version) {
        let (version, name) = (step.version, step.name);
        let insert =
            format!("INSERT INTO schema_migrations (version, name) VALUES ({version}, '{name}')");
        database.execute(&insert).await;
    }
    database.execute(&dialect(&schema)).await;
    database.execute(&data).await;
}

fn file(database: &TestDatabase) -> PathBuf {
    database.url().trim_start_matches("sqlite:").into()
}

fn options(database: &TestDatabase) -> Options {
    Options {
        durable: false,
        ..Options::new(database.url())
    }
}

/// Every column, its type, and every index.
async fn schema(db: &Db) -> Vec<String> {
    let question = if db.is_embedded() {
        "SELECT m.name || ' ' || p.name || ' ' || p.type || ' ' || p.\"notnull\" AS line
         FROM sqlite_schema m, pragma_table_info(m.name) p WHERE m.type = 'table'
         UNION ALL SELECT name FROM sqlite_schema WHERE type = 'index' ORDER BY 1"
    } else {
        "SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable AS line
         FROM information_schema.columns WHERE table_schema = 'public'
         UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    };
    let mut reader = db.read().await.unwrap();
    let rows = reader.conn().all(sql(question), Vec::new()).await.unwrap();
    rows.iter().map(|row| row.get("line").unwrap()).collect()
}

/// What version 1 wrote is read by this one.
async fn has_the_data(db: &Db) {
    let mut reader = db.read().await.unwrap();
    let mut conn = reader.conn();
    let mut id = [0; 16];
    (id[0], id[15]) = (1, 1);
    let ada = users::by_id(&mut conn, UserId::from_bytes(id)).await;
    assert_eq!(ada.unwrap().unwrap().username.as_deref(), Some("Ada"));
    assert_eq!(log::seq(&mut conn).await.unwrap(), Seq(9));
    assert_eq!(events::page(&mut conn, None, 9).await.unwrap().len(), 1);
    for table in [
        "credentials",
        "roles",
        "sessions",
        "grants",
        "floors",
        "keys",
        "throttle",
    ] {
        let count = format!("SELECT COUNT(*) AS n FROM {table}");
        let rows = conn
            .one(sql(String::leak(count)), Vec::new())
            .await
            .unwrap();
        assert_eq!(rows.get::<i64>("n").unwrap(), 1, "{table}");
    }
}

#[tokio::test]
async fn a_database_of_every_version_is_brought_to_the_newest_with_what_it_holds() {
    for migrations in [MIGRATIONS, and_one_to_come(NEXT)] {
        for new in TestDatabase::each().await {
            let new_db = Db::open_with(&options(&new), migrations).await.unwrap();
            let expected = schema(&new_db).await;
            new_db.close().await;
            for Migration { version, .. } in MIGRATIONS {
                let database = if new.is_postgres() {
                    TestDatabase::postgres().await.unwrap()
                } else {
                    TestDatabase::sqlite()
                };
                of_version(&database, *version).await;
                let db = Db::open_with(&options(&database), migrations)
                    .await
                    .unwrap();
                has_the_data(&db).await;
                assert_eq!(schema(&db).await, expected, "from version {version}");
                db.close().await;
            }
        }
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_version_before() {
    let broken = and_one_to_come(BROKEN);
    for database in TestDatabase::each().await {
        of_version(&database, SCHEMA_VERSION).await;
        let refused = Db::open_with(&options(&database), broken).await;
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
        let db = Db::open(&options(&database)).await.unwrap();
        has_the_data(&db).await;
        let columns = schema(&db).await;
        assert!(!columns.iter().any(|line| line.starts_with("users note")));
        db.close().await;
    }
}

#[tokio::test]
async fn a_plan_says_what_opening_does_and_changes_nothing() {
    for database in TestDatabase::each().await {
        of_version(&database, SCHEMA_VERSION).await;
        let nothing = plan_with(database.url(), MIGRATIONS).await.unwrap();
        assert_eq!(
            (nothing.found, nothing.steps.len(), nothing.kept),
            (Some(SCHEMA_VERSION), 0, None)
        );
        let next = and_one_to_come(NEXT);
        for _ in 0..2 {
            let plan = plan_with(database.url(), next).await.unwrap();
            assert_eq!(plan.found, Some(SCHEMA_VERSION));
            assert_eq!(plan.steps, [(SCHEMA_VERSION + 1, "to come")]);
            assert_eq!(plan.kept.is_some(), !database.is_postgres());
        }
        Db::open_with(&options(&database), next)
            .await
            .unwrap()
            .close()
            .await;
        let refused = plan_with(database.url(), MIGRATIONS).await;
        assert!(
            matches!(refused, Err(StoreError::NewerSchema { .. })),
            "{refused:?}"
        );
    }
    for empty in TestDatabase::each().await {
        if !empty.is_postgres() {
            fs::write(file(&empty), "").unwrap();
        }
        let plan = plan_with(empty.url(), MIGRATIONS).await.unwrap();
        assert_eq!(
            (plan.found, plan.steps.len(), plan.kept),
            (None, MIGRATIONS.len(), None)
        );
    }
}

#[tokio::test]
async fn a_copy_is_kept_before_the_schema_changes_and_only_then() {
    let database = TestDatabase::sqlite();
    of_version(&database, SCHEMA_VERSION).await;
    let beside = || {
        let directory = file(&database).parent().unwrap().to_owned();
        let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
        let mut names: Vec<_> = entries
            .map(|e| e.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    Db::open(&options(&database)).await.unwrap().close().await;
    assert_eq!(beside(), ["countersign.db"]);
    let next = and_one_to_come(NEXT);
    let not_kept = Options {
        keep_old: false,
        ..options(&database)
    };
    let other = TestDatabase::sqlite();
    of_version(&other, SCHEMA_VERSION).await;
    let not_kept = Options {
        url: other.url().to_owned(),
        ..not_kept
    };
    Db::open_with(&not_kept, next).await.unwrap().close().await;
    assert!(!crate::migrate::kept(&file(&other), SCHEMA_VERSION).exists());

    let name = format!("countersign.db.schema-{SCHEMA_VERSION}.bak");
    let kept = file(&database).with_file_name(&name);
    // One that cannot be kept is a reason not to go on.
    fs::create_dir(&kept).unwrap();
    let refused = Db::open_with(&options(&database), next).await;
    let Err(StoreError::Failed(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("its schema was not changed"), "{why}");
    fs::remove_dir(&kept).unwrap();
    // And one of an earlier attempt is replaced.
    fs::write(&kept, "from before").unwrap();
    for _ in 0..2 {
        Db::open_with(&options(&database), next)
            .await
            .unwrap()
            .close()
            .await;
        assert_eq!(beside(), ["countersign.db", &name]);
    }
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let contents = snapshot::inspect(&kept).await.unwrap();
    assert_eq!(contents.schema, SCHEMA_VERSION);
    let old = Options {
        url: format!("sqlite:{}", kept.display()),
        ..options(&database)
    };
    let old = Db::open(&old).await.unwrap();
    has_the_data(&old).await;
    old.close().await;
}
