//! `restore`: refusals that change nothing, and a crash at any moment.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use countersign_testkit::{Home, TempDir, TestDatabase};

use super::{add, answer, done, home, refused};

/// Every file below the data directory with what it holds, the lock apart.
fn snapshot(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(home.data())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries
        .filter(|path| !path.ends_with("serve.lock"))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

fn names(home: &Home) -> Vec<String> {
    let users = answer(home, &["user", "list"], "");
    let users = users["users"].as_array().unwrap().iter();
    users
        .map(|user| user["username"].as_str().unwrap().to_owned())
        .collect()
}

fn signing(home: &Home) -> Vec<String> {
    let keys = answer(home, &["key", "list"], "");
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.filter(|key| key["phase"] == "signing")
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_is_no_backup_of_this_installation_is_refused_before_anything_changes() {
    // What is in the way of a good one: made on the side, in a database that can be spoiled.
    let spoiled = TestDatabase::sqlite();
    let aside = home().database(&spoiled);
    add(&aside, "ada", &[]);
    let file: PathBuf = spoiled.url().trim_start_matches("sqlite:").into();
    let kept = TempDir::new();
    let keep = |name: &str| {
        fs::copy(&file, kept.join(name)).unwrap();
        kept.join(name).display().to_string()
    };
    let foreign_secret = keep("foreign.db");
    spoiled
        .execute("INSERT INTO schema_migrations (version, name) VALUES (9999, 'x')")
        .await;
    let newer = keep("newer.db");
    spoiled.execute("DROP TABLE log_clock").await;
    let not_ours = keep("not-ours.db");

    let home = home();
    add(&home, "ada", &[]);
    done(&home.cli(&["backup", "good.db"]));
    let good = fs::read(home.path().join("good.db")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes).unwrap();
    write("short.db", &good[..good.len() / 2]);
    let mut flipped = good.clone();
    flipped[good.len() / 2..].fill(0x55);
    write("flipped.db", &flipped);
    // One letter in an index, so that a name is not found by which somebody signs in.
    let mut letter = good.clone();
    let entry = good
        .windows(14)
        .position(|bytes| bytes.starts_with(b"usernameada") && !bytes.ends_with(b"ada"));
    letter[entry.unwrap() + 10] = b'b';
    write("one-letter.db", &letter);
    write("letter", b"Dear aunt,");
    write("empty.db", b"");
    let before = snapshot(&home);
    for (file, exit, says) in [
        ("none.db", 1, "No such file"),
        (
            "letter",
            1,
            "is not a database of Countersign: nothing was changed",
        ),
        ("empty.db", 1, "is not a database of Countersign"),
        ("short.db", 1, "is damaged"),
        ("flipped.db", 1, "is damaged"),
        ("one-letter.db", 1, "is damaged"),
        (&*not_ours, 1, "is not a database of Countersign"),
        (&*newer, 1, "schema version 9999"),
        (
            &*foreign_secret,
            78,
            "was made with another SECRET_KEY than",
        ),
        ("data/countersign.db", 1, "is the database itself"),
    ] {
        refused(&home.cli(&["restore", file]), exit, &[file, says]);
        assert!(before == snapshot(&home), "{file}");
    }
    let good = home.path().join("good.db");
    let good = good.to_str().unwrap();
    let mut server = home.start();
    let pid = format!("process {}", server.pid());
    refused(&home.cli(&["restore", good]), 1, &[&pid]);
    server.kill9();
    // Elsewhere, without the secret, one that was never there is not made up.
    let elsewhere = super::home();
    let refusal = elsewhere.cli(&["restore", good]);
    refused(&refusal, 78, &["secret.key is missing", "SECRET_KEY"]);
    assert_eq!(snapshot(&elsewhere), []);
    assert_eq!(names(&home), ["ada"]);
}

#[test]
fn the_database_of_the_backup_takes_the_place_of_the_other_which_is_kept() {
    let home = home();
    add(&home, "ada", &[]);
    let _ = answer(&home, &["client", "add", "shop"], "");
    done(&home.cli(&["backup", "good.db"]));
    let key = signing(&home);
    add(&home, "bob", &[]);
    let exit = home.cli(&["restore", "good.db"]);
    let said = done(&exit);
    for word in ["Restored", "good.db", "Everybody is signed out", "kept as"] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(names(&home), ["ada"]);
    assert_ne!(signing(&home), key);
    // What it replaced is a database like any other, and goes back in the same way.
    let (_, kept) = said.split_once("kept as ").unwrap();
    let back = answer(&home, &["restore", kept], "");
    assert_eq!(names(&home), ["ada", "bob"]);
    assert!(Path::new(back["kept"].as_str().unwrap()).exists());
    // And a database that is beyond repair is no reason not to restore.
    fs::write(
        home.data().join("countersign.db"),
        "SQLite format 3\0 and nothing else",
    )
    .unwrap();
    fs::write(home.data().join("countersign.db-wal"), "of another time").unwrap();
    let last = answer(&home, &["restore", "good.db"], "");
    assert_eq!(names(&home), ["ada"]);
    let kept = last["kept"].as_str().unwrap();
    for suffix in ["", "-wal"] {
        assert!(Path::new(&format!("{kept}{suffix}")).exists());
    }
    assert_eq!(fs::read(format!("{kept}-wal")).unwrap(), b"of another time");
}

#[test]
fn what_root_restores_belongs_to_the_user_of_the_server() {
    let home = home();
    add(&home, "ada", &[]);
    done(&home.cli(&["backup", "good.db"]));
    let me = rustix::process::geteuid();
    let user = if me.is_root() { 4711 } else { me.as_raw() };
    let database = home.data().join("countersign.db");
    for path in [&home.data(), &database] {
        chown(path, Some(user), None).unwrap();
    }
    let owner = || fs::metadata(&database).unwrap().uid();
    done(&home.cli(&["restore", "good.db"]));
    assert_eq!(owner(), user);
    // On a new machine, where the directory is all there is.
    fs::remove_file(&database).unwrap();
    done(&home.cli(&["restore", "good.db"]));
    assert_eq!(owner(), user);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a process is killed at moments of its real life"
)]
fn whenever_a_restore_dies_the_old_database_is_there_or_the_new_one_with_everything_ended() {
    let home = home();
    add(&home, "ada", &[]);
    done(&home.cli(&["backup", "good.db"]));
    add(&home, "bob", &[]);
    let key = signing(&home);
    let before = snapshot(&home);
    let restore = |after: Option<Duration>| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["restore", "good.db"])
            .current_dir(home.path())
            .env_clear()
            .env("COUNTERSIGN_SERVER__DATA", home.data())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if let Some(after) = after {
            std::thread::sleep(after);
            child.kill().unwrap();
        }
        let _ = child.wait().unwrap();
    };
    let began = Instant::now();
    restore(None);
    let whole = began.elapsed();
    assert_eq!(names(&home), ["ada"]);
    let (mut old, mut new) = (0, 0);
    for part in 0..16 {
        fs::remove_dir_all(home.data()).unwrap();
        fs::create_dir(home.data()).unwrap();
        for (path, bytes) in &before {
            fs::write(path, bytes).unwrap();
        }
        // Most of what it changes it changes late.
        restore(Some(whole * (4 + part) / 20));
        match names(&home).len() {
            2 => {
                assert_eq!(signing(&home), key);
                old += 1;
            }
            _ => {
                assert_eq!(names(&home), ["ada"]);
                assert_ne!(signing(&home), key, "restored, and not revoked");
                new += 1;
            }
        }
        // And what is left over of it is in nobody's way.
        let _ = done(&home.cli(&["restore", "good.db"]));
        assert_eq!(names(&home), ["ada"]);
        assert!(!home.data().join("countersign.db.restoring").exists());
    }
    println!("{old} times the old database, {new} times the new one; a restore takes {whole:?}");
    assert!(old > 0);
}
