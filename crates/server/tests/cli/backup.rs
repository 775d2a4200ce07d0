//! `backup`: one whole file, while the server goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use countersign_testkit::{Home, TestDatabase};
use serde_json::json;

use super::{PASSWORD, add, answer, done, home, refused, sign_in};

#[tokio::test]
async fn what_stands_in_the_way_is_refused_and_left_as_it_is() {
    let home = home();
    add(&home, "ada", &[]);
    let at = |name: &str| home.path().join(name);
    fs::write(at("letter"), "Dear aunt,").unwrap();
    fs::create_dir(at("there")).unwrap();
    done(&home.cli(&["backup", "older.db"]));
    let older = fs::read(at("older.db")).unwrap();
    for (args, says) in [
        (&["backup", "letter"][..], "exists: choose another name"),
        (&["backup", "letter", "--force"], "is no older backup"),
        (&["backup", "older.db"], "--force"),
        (&["backup", "there", "--force"], "is a directory"),
        (
            &["backup", "data/countersign.db", "--force"],
            "the database itself",
        ),
        (
            &["backup", "nowhere/new.db"],
            "nowhere/new.db: No such file",
        ),
        (
            &["backup", "data/secret.key", "--force"],
            "is no older backup",
        ),
    ] {
        refused(&home.cli(args), 1, &[says]);
    }
    assert_eq!(fs::read(at("letter")).unwrap(), b"Dear aunt,");
    assert_eq!(fs::read(at("older.db")).unwrap(), older);
    // A database that is broken is no backup, and says so.
    let good = fs::read(at("data/countersign.db")).unwrap();
    fs::write(at("data/countersign.db"), &good[..good.len() / 2]).unwrap();
    refused(&home.cli(&["backup", "new.db"]), 1, &["no backup was made"]);
    fs::write(at("data/countersign.db"), good).unwrap();
    let names = fs::read_dir(home.path()).unwrap();
    let mut names: Vec<_> = names
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["data", "letter", "older.db", "there"]);
}

#[test]
fn on_postgresql_it_says_what_to_type_without_the_password() {
    let url = "postgres://us:hunter2-hunter2@db.example.com:5433/logins";
    let home = home()
        .env("DATABASE_URL", url)
        .env("SECRET_KEY", "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a");
    let shown = "--dbname='postgres://us@db.example.com:5433/logins'";
    for (args, says) in [
        (["backup", "x.db"], "`pg_dump --format=custom --file=FILE "),
        (["restore", "x.db"], "`pg_restore "),
    ] {
        let exit = home.cli(&args);
        refused(&exit, 1, &[says, shown]);
        assert!(!exit.stderr.contains("hunter2"), "{exit:#?}");
    }
    let restore = home.cli(&["restore", "x.db"]);
    refused(&restore, 1, &["session revoke --all", "key revoke KID"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_whole_while_the_server_goes_on() {
    let home = home();
    add(&home, "root", &["--role", "admin"]);
    let server = home.start();
    let register = async |name: String| {
        let body = json!({"username": name, "password": PASSWORD});
        let sent = server.client().post("/register").json(&body).send().await;
        let _ = sent.expect(201);
    };
    for n in 0..5 {
        register(format!("before{n}")).await;
    }
    let backups = tokio::task::spawn_blocking({
        let home = home.clone();
        move || {
            let made = |n| answer(&home, &["backup", &format!("{n}.db")], "");
            [0, 1, 2].map(made)
        }
    });
    let mut n = 0;
    while !backups.is_finished() {
        register(format!("during{n}")).await;
        n += 1;
    }
    assert!(n > 0, "nobody registered meanwhile");
    for (number, made) in backups.await.unwrap().iter().enumerate() {
        let file = home.path().join(format!("{number}.db"));
        let metadata = fs::metadata(&file).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(made["bytes"], metadata.len());
        assert_eq!(
            (&made["schema"], &made["recorded"]),
            (&json!(countersign_store::SCHEMA_VERSION), &json!(true))
        );
        let secret = home.data().join("secret.key");
        assert_eq!(made["secret"], secret.to_str().unwrap());
        for suffix in ["-wal", "-shm", "-journal"] {
            assert!(!Path::new(&format!("{}{suffix}", file.display())).exists());
        }
        let other = restored(&home, &file);
        let users = answer(&other, &["user", "list"], "");
        let names = users["users"].as_array().unwrap();
        let before = names
            .iter()
            .filter(|user| user["username"].as_str().unwrap().starts_with("before"));
        assert_eq!(before.count(), 5, "{users}");
    }
    let admin = sign_in(&server, "root", PASSWORD).await;
    let audit = server
        .client()
        .get("/admin/audit")
        .bearer(super::access(&admin))
        .send()
        .await;
    let audit = audit.expect(200).text();
    assert_eq!(audit.matches("backup.made").count(), 3, "{audit}");
}

/// Another machine, with the backup and the secret.
fn restored(home: &Home, file: &Path) -> Home {
    let other = super::home();
    fs::create_dir(other.data()).unwrap();
    fs::copy(
        home.data().join("secret.key"),
        other.data().join("secret.key"),
    )
    .unwrap();
    done(&other.cli(&["restore", file.to_str().unwrap()]));
    other
}

#[test]
fn it_says_what_else_to_keep_and_holds_no_secret() {
    let home = home();
    add(&home, "ada", &[]);
    let exit = home.cli(&["backup", "one.db"]);
    let said = done(&exit);
    for word in [
        "Backed up",
        "one.db",
        " kB in ",
        "checked",
        "secret.key",
        "another place",
    ] {
        assert!(said.contains(word), "{said}");
    }
    let secret = fs::read(home.data().join("secret.key")).unwrap();
    let backup = fs::read(home.path().join("one.db")).unwrap();
    assert!(!backup.windows(secret.len()).any(|bytes| bytes == secret));
    assert_eq!(
        done(&home.cli(&["backup", "one.db", "--force", "--quiet"])),
        ""
    );
    let home = home.env("SECRET_KEY", String::from_utf8(secret).unwrap());
    let exit = home.cli(&["backup", "two.db"]);
    assert!(
        done(&exit).contains("SECRET_KEY (environment variable SECRET_KEY)"),
        "{exit:#?}"
    );
}

#[tokio::test]
async fn a_database_of_another_secret_is_backed_up_and_the_doubt_said() {
    let database = TestDatabase::sqlite();
    let home = home().database(&database);
    add(&home, "ada", &[]);
    let other = home
        .clone()
        .env("SECRET_KEY", "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a");
    let exit = other.cli(&["backup", "x.db"]);
    assert!(done(&exit).contains("Backed up"));
    assert!(exit.stderr.contains("countersign doctor"), "{exit:#?}");
}
