//! `countersign import` and `countersign export`: files in, files out.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use countersign_testkit::{Home, TestDatabase, make_sqlite};
use serde_json::{Value, json};

use super::{PASSWORD, add, answer, done, home, refused, sign_in};

/// What Werkzeug 3.1.9, Django 5.2.19 and bcrypt 4.3.0 wrote for the usual password.
const WERKZEUG: &str = "scrypt:1024:8:1$Kf9sLq2XzR7bTn4W$824ea168c93d5d828554ab41869800d3843bb0f21e1106f3b8367739567eaad7c57194f5bbb414e1000f2c3f04ff185107388b37d238052f6bbf3314c3961287";
const DJANGO: &str =
    "pbkdf2_sha256$100$salt-of-22-characters!$pWdJTlNXZMLMshEpBZwe8ACvUx0Nvpte4IjCHDtEPqU=";
const BCRYPT: &str = "$2b$04$Kf9sLq2XzR7bTn4WabcdeOgbH8ohOwzZq3s3Wft8dxepdszL0X32y";

/// A database of a tutorial's program, made by statements.
async fn tutorial(home: &Home, statements: &[&str]) {
    make_sqlite(&home.path().join("database.db"), statements).await;
}

const TABLE: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT UNIQUE NOT NULL, password TEXT NOT NULL)";

/// `n` rows of that table with this hash.
fn many(n: usize, hash: &str) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {n} - 1)
         INSERT INTO users (username, password) SELECT 'user' || i, '{hash}' FROM n"
    )
}

#[tokio::test]
async fn a_file_that_cannot_be_understood_is_refused_before_anything_is_made() {
    let home = home()
        .file("empty", "")
        .file("array.json", "[{\"username\": \"ada\"}]")
        .file("no-password.csv", "username,secret\nada,x\n")
        .file("twice.csv", "username,password,password_hash\nada,x,y\n")
        .file("mine.txt", "what must not be overwritten\n");
    let view = "CREATE VIEW people AS SELECT username, password FROM users";
    tutorial(&home, &[TABLE, "CREATE TABLE \"odd \"\" name\" (a)", view]).await;
    let database = home.path().join("countersign.db").display().to_string();
    fs::write(&database, "SQLite format 3\0 and then something else").unwrap();
    for (args, words) in [
        (&["absent.csv"][..], &["absent.csv", "No such file"][..]),
        (&["empty"], &["is empty"]),
        (&["array.json"], &["one object a line"]),
        (
            &["no-password.csv"],
            &["the password", "--column", "username, secret"],
        ),
        (&["twice.csv"], &["\"password\" and \"password_hash\""]),
        (&["twice.csv", "--column", "password=pw"], &["the password"]),
        (
            &["database.db", "--table", "persons"],
            &["no table \"persons\"", "users"],
        ),
        (&["database.db", "--table", "people"], &["no numbers"]),
        (&["."], &["is no file"]),
        (
            &["database.db", "--column", "username=nick"],
            &["the username or the email"],
        ),
        (
            &["database.db", "--table", "odd \" name"],
            &["username or the email", ": a"],
        ),
        (
            &["database.db", "--column", "email=mail"],
            &["no column \"mail\"", "id, username, password"],
        ),
        (&[&database], &["countersign.db"]),
        (
            &["database.db", "--rejects", "mine.txt"],
            &["mine.txt", "no list of refused rows"],
        ),
    ] {
        let args = [&["import"], args].concat();
        refused(&home.cli(&args), 1, words);
    }
    for column in ["password", "colour=x"] {
        refused(
            &home.cli(&["import", "empty", "--column", column]),
            2,
            &["--column"],
        );
    }
    refused(&home.cli(&["export", "people.jsonl"]), 1, &["no database"]);
    assert!(!home.data().exists());
    let mine = fs::read_to_string(home.path().join("mine.txt")).unwrap();
    assert_eq!(mine, "what must not be overwritten\n");
}

#[tokio::test]
async fn each_row_that_is_refused_is_told_with_its_number_and_without_its_hash() {
    let costly = DJANGO.replace("100", "100000000");
    let rows = [
        json!({"username": "ada", "password_hash": WERKZEUG, "bio": "x", "avatar": null})
            .to_string(),
        String::new(),
        json!({"username": "b c", "password_hash": WERKZEUG}).to_string(),
        json!({"email": "bea@example.com", "password_hash": "geheim-geheim"}).to_string(),
        json!({"email": "bea@example.com", "password_hash": costly}).to_string(),
        json!({"email": "bea@example.com"}).to_string(),
        json!({"email": "bea@example.com", "password_hash": {"a": 1}}).to_string(),
        json!({"email": "bea@example.com", "password_hash": "md5$salt$5f4dcc3b5aa765d6"})
            .to_string(),
        json!({"id": 7, "username": "ADA", "password_hash": WERKZEUG}).to_string(),
        "{\"username\": \"x\", \"username\": \"y\"}".to_owned(),
        "{\"username\": ".to_owned() + &"9".repeat(70_000),
        json!({"username": "cid", "password_hash": BCRYPT, "roles": ["editor"], "is_admin": true})
            .to_string(),
    ];
    let home = home().file("people.jsonl", &rows.join("\n"));
    for dry in [true, false, false] {
        let mut args = vec![
            "import",
            "people.jsonl",
            "--rejects",
            "refused.jsonl",
            "--json",
        ];
        args.extend(dry.then_some("--dry-run"));
        let exit = home.cli(&args);
        assert_eq!(exit.code, Some(1), "{exit:#?}");
        assert!(exit.stderr.contains("rows_refused"), "{exit:#?}");
        let report: Value = serde_json::from_str(&exit.stdout).unwrap();
        let again = home.data().join("countersign.db").exists() && report["present"] == 2;
        let made = if again { (0, 2) } else { (2, 0) };
        assert_eq!(
            (&report["imported"], &report["present"]),
            (&json!(made.0), &json!(made.1))
        );
        assert_eq!(
            (&report["rows"], &report["refused"]),
            (&json!(11), &json!(9))
        );
        assert_eq!(report["ignored"], json!(["avatar", "bio"]));
        assert_eq!(report["administrators"], i32::from(!again));
        let reasons = json!({
            "invalid": 1, "hash_unreadable": 1, "hash_too_costly": 1, "hash_unsupported": 1,
            "no_password": 1, "name_taken": 1, "unreadable": 3,
        });
        assert_eq!(report["reasons"], reasons);
        let path = home.path().join("refused.jsonl");
        let told = fs::read_to_string(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let lines: Vec<Value> = told
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let numbers: Vec<_> = lines
            .iter()
            .map(|line| line["row"].as_i64().unwrap())
            .collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [3, 4, 5, 6, 7, 8, 9, 10, 11]);
        for secret in ["geheim", "salt", "5f4dcc3b", "824ea168", "plum"] {
            assert!(
                !told.contains(secret) && !exit.stderr.contains(secret),
                "{secret}"
            );
        }
        assert_eq!(home.data().exists(), !dry, "a dry run makes nothing");
    }
}

#[tokio::test]
async fn people_of_the_tutorial_sign_in_with_the_password_they_have() {
    let home = home();
    let insert = format!(
        "INSERT INTO users (username, password) VALUES ('admin', '{WERKZEUG}'), ('user@example.com', '{DJANGO}'), ('plain', '1234')"
    );
    tutorial(&home, &[TABLE, &insert]).await;
    let args = ["import", "database.db", "--plain-passwords"];
    let said = done(&home.cli(&args)).to_owned();
    let expected = "\
3 rows: 3 imported, 0 there already, 0 refused
  passwords: Django PBKDF2 1, Werkzeug scrypt 1, plain text 1";
    assert_eq!(said, expected);
    let server = home.start();
    for _ in 0..2 {
        sign_in(&server, "admin", PASSWORD).await;
        sign_in(&server, "user@example.com", PASSWORD).await;
        sign_in(&server, "plain", "1234").await;
    }
    let wrong = json!({ "username": "admin", "password": "1234" });
    let wrong = server.client().post("/login").json(&wrong).send().await;
    wrong.refused(401, "invalid_credentials");
    // The old hashes are gone from the table, and the plain password was never in it.
    let left = home.cli(&["export", "-"]);
    for gone in [WERKZEUG, DJANGO, "\"1234\""] {
        assert!(!done(&left).contains(gone));
    }
    assert_eq!(left.stdout.matches("$argon2id$").count(), 3);
}

#[tokio::test]
async fn a_table_of_django_is_read_as_it_is() {
    let home = home();
    let table = "CREATE TABLE auth_user (id integer PRIMARY KEY, password varchar(128), last_login datetime,
        is_superuser bool, username varchar(150), email varchar(254), is_active bool, date_joined datetime)";
    let people = format!(
        "INSERT INTO auth_user VALUES
         (1, '{DJANGO}', NULL, 1, 'ada', '', 1, '2020-01-02 03:04:05.678901'),
         (2, '{DJANGO}', NULL, 0, 'bea', 'bea@example.com', 0, '2020-01-02 03:04:05'),
         (4, '!aDwk8NtHqQjR7dWkT4', NULL, 0, 'cid', '', 1, '2020-01-02 03:04:05')"
    );
    tutorial(&home, &[table, &people]).await;
    let exit = home.cli(&["import", "database.db", "--table", "auth_user"]);
    assert_eq!(exit.code, Some(1), "{exit:#?}");
    assert!(
        exit.stderr.starts_with("row 4: has no password"),
        "{exit:#?}"
    );
    let ada = answer(&home, &["user", "show", "ada"], "");
    assert_eq!(
        (&ada["roles"], &ada["created_at"]),
        (&json!(["admin"]), &json!(1_577_934_245))
    );
    assert_eq!(
        answer(&home, &["user", "show", "bea"], "")["disabled"],
        true
    );
    sign_in(&home.start(), "ada", PASSWORD).await;
}

#[tokio::test]
async fn csv_is_read_with_its_own_names_and_marks() {
    let csv = format!(
        "\u{feff}nick;Mail;pw;role;joined;bio\nada;ada@example.com;{BCRYPT};editor shop:write;2020-01-02;\"a;b\nc\"\nbea;;{BCRYPT};;;\n;cid@example.com;{BCRYPT}\n"
    );
    let home = home().file("people.csv", &csv);
    let columns = ["username=nick", "password=pw", "created_at=joined"];
    let args = columns.iter().flat_map(|column| ["--column", column]);
    let args: Vec<_> = ["import", "people.csv"].into_iter().chain(args).collect();
    let exit = home.cli(&args);
    assert_eq!(exit.code, Some(1), "{exit:#?}");
    // The record before ends on line 3, for its last field has two lines.
    assert!(
        exit.stderr
            .contains("row 5: has 3 fields, and the first line 6"),
        "{exit:#?}"
    );
    assert!(
        exit.stdout.contains("fields without a meaning here: bio"),
        "{exit:#?}"
    );
    let ada = answer(&home, &["user", "show", "ada"], "");
    assert_eq!(
        (&ada["email"], &ada["created_at"]),
        (&json!("ada@example.com"), &json!(1_577_923_200))
    );
    assert_eq!(ada["roles"], json!(["editor", "shop:write"]));
    sign_in(&home.start(), "bea", PASSWORD).await;
}

/// The parser would take all that follows for one value, and keep it.
#[tokio::test]
async fn a_quote_that_is_never_closed_is_refused_with_its_line_and_nothing_before_it_is_lost() {
    let row = |name: &str| format!("{name},{BCRYPT}\n");
    let rest: String = (0..200_000).map(|n| row(&format!("user{n}"))).collect();
    let csv = format!("username,password\n{}{}\"{rest}", row("ada"), row("bea"));
    let home = home().file("people.csv", &csv);
    let exit = home.cli(&["import", "people.csv"]);
    refused(&exit, 1, &["begins in line 4", "64 KiB", "never closed"]);
    done(&home.cli(&["user", "show", "bea"]));
    assert_eq!(
        answer(&home, &["user", "list"], "")["users"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let long = format!(
        "username,password\ncid,{BCRYPT}\ndan,\"{}\"\n",
        "x".repeat(60_000)
    );
    let home = home.file("long.csv", &long);
    let exit = home.cli(&["import", "long.csv"]);
    assert!(exit.stdout.starts_with("2 rows: 1 imported"), "{exit:#?}");
    let home = home.file("header.csv", &format!("\"username,password\n{rest}"));
    let exit = home.cli(&["import", "header.csv"]);
    refused(&exit, 1, &["first line is longer than 64 KiB"]);
}

/// What a command writes to a terminal that is its standard error.
fn on_a_terminal(home: &Home, args: &[&str]) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let command = command.args(args).current_dir(home.path()).env_clear();
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut running = command
        .stderr(terminal.try_clone().unwrap())
        .spawn()
        .unwrap();
    let reading = std::thread::spawn(move || {
        let (mut screen, mut shown) = (File::from(screen), Vec::new());
        // The end of a terminal that nobody has open any more is an error.
        let _ = screen.read_to_end(&mut shown);
        String::from_utf8(shown).unwrap()
    });
    assert!(running.wait().unwrap().success());
    drop(terminal);
    // It holds a terminal too.
    drop(std::mem::replace(command, Command::new("true")));
    reading.join().unwrap()
}

#[tokio::test]
async fn a_terminal_sees_how_far_it_has_come_and_a_log_does_not() {
    let home = home();
    tutorial(&home, &[TABLE, &many(3_000, BCRYPT)]).await;
    let shown = on_a_terminal(&home, &["import", "database.db", "--data", "one"]);
    let drawn: Vec<_> = shown
        .split('\r')
        .filter(|line| line.contains('%'))
        .collect();
    let percents: Vec<u32> = drawn
        .iter()
        .map(|line| {
            line.split(['[', ']', '%'])
                .nth(2)
                .unwrap()
                .trim()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(percents.len() > 10 && percents.is_sorted(), "{shown:?}");
    assert_eq!((percents[0], percents.last()), (6, Some(&100)), "{shown:?}");
    let half = drawn.iter().find(|line| line.contains(" 53 %")).unwrap();
    assert!(
        half.starts_with("[##########..........]  53 %  1600 rows, 0 refused"),
        "{half:?}"
    );
    // The report does not stand behind a bar.
    let (_, last) = shown.rsplit_once('\r').unwrap();
    assert!(
        last.starts_with("\u{1b}[K") && !last.contains('#'),
        "{shown:?}"
    );
    for (data, quiet) in [("two", "--quiet"), ("three", "--json")] {
        let args = ["import", "database.db", "--data", data, quiet];
        assert_eq!(on_a_terminal(&home, &args), "", "{quiet}");
    }
    let logged = home.cli(&["import", "database.db", "--data", "four"]);
    assert!(done(&logged).starts_with("3000 rows: 3000 imported"));
    assert!(!logged.stderr.contains(['%', '\r', '\u{1b}']), "{logged:?}");
}

#[tokio::test]
async fn what_is_exported_is_imported_as_it_was_on_either_engine() {
    for database in TestDatabase::each().await {
        let one = home().database(&database);
        add(
            &one,
            "root",
            &["--role", "admin", "--email", "root@example.com"],
        );
        add(&one, "gone", &[]);
        done(&one.cli(&["user", "disable", "gone"]));
        let rows = [
            json!({"username": "ada", "password": WERKZEUG, "created_at": 1_577_923_200, "id": 5}),
            json!({"email": "mute@example.com", "password": null}),
        ];
        fs::write(
            one.path().join("two.jsonl"),
            rows.map(|row| row.to_string()).join("\n"),
        )
        .unwrap();
        done(&one.cli(&["import", "two.jsonl", "--without-password"]));
        let first = one.path().join("first.jsonl").display().to_string();
        assert_eq!(
            done(&one.cli(&["export", &first])),
            format!("Wrote 4 accounts to {first}")
        );
        let mode = fs::metadata(&first).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        refused(&one.cli(&["export", &first]), 1, &["exists already"]);
        let text = fs::read_to_string(&first).unwrap();
        assert_eq!(text, one.cli(&["export", "-"]).stdout);
        for word in [
            "root@example.com",
            WERKZEUG,
            "$argon2id$",
            "\"disabled\":true",
            "mute@",
        ] {
            assert!(text.contains(word), "{word}");
        }
        // To another installation, which has nothing in common with the first.
        let other = home();
        let import = ["import", &first, "--without-password"];
        assert!(done(&other.cli(&import)).starts_with("4 rows: 4 imported"));
        assert!(done(&other.cli(&import)).starts_with("4 rows: 0 imported, 4 there already"));
        assert_eq!(other.cli(&["export", "-"]).stdout, text);
        let server = other.start();
        sign_in(&server, "root@example.com", PASSWORD).await;
        sign_in(&server, "ada", PASSWORD).await;
    }
}

#[tokio::test]
async fn an_import_that_was_killed_is_run_again_and_goes_on() {
    let home = home();
    tutorial(&home, &[TABLE, &many(5_000, BCRYPT)]).await;
    let started = home.spawn(&["import", "database.db"], "");
    let database = home.data().join("countersign.db-wal");
    let written = || fs::metadata(&database).is_ok_and(|file| file.len() > 700_000);
    for _ in 0..4_000 {
        if written() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(started); // SIGKILL
    let again = answer(&home, &["import", "database.db"], "");
    let there = again["present"].as_u64().unwrap();
    assert_eq!(
        again["imported"].as_u64().unwrap() + there,
        5_000,
        "{again}"
    );
    assert!((1..5_000).contains(&there), "{again}");
    assert!(there.is_multiple_of(200), "whole batches: {again}");
    let once_more = answer(&home, &["import", "database.db"], "");
    assert_eq!(once_more["present"], 5_000);
}

/// The writer of a server waits for a command's, and gets its turn.
#[tokio::test]
async fn people_sign_in_while_others_move_in() {
    for database in TestDatabase::each().await {
        let home = home().database(&database);
        add(&home, "ada", &[]);
        tutorial(&home, &[TABLE, &many(1_500, BCRYPT)]).await;
        let server = home.start();
        let mut importing = home.spawn(&["import", "database.db", "--json"], "");
        let mut logins = 0;
        while importing.is_running() {
            sign_in(&server, "ada", PASSWORD).await;
            logins += 1;
        }
        let exit = importing.finish();
        assert!(done(&exit).contains("\"imported\":1500"), "{exit:#?}");
        assert!(logins > 3, "{logins}");
        sign_in(&server, "user1499", PASSWORD).await;
    }
}

/// `docs/moving-in.md` shows commands and a file; they are run as they stand there.
#[tokio::test]
async fn the_commands_of_the_guide_work() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/moving-in.md");
    let guide = fs::read_to_string(guide).unwrap();
    let block = |kind: &str| {
        let (_, text) = guide.split_once(&format!("```{kind}\n")).unwrap();
        text.split_once("```").unwrap().0.to_owned()
    };
    let home = home().file("people.jsonl", &block("json"));
    let insert = format!("INSERT INTO users (username, password) VALUES ('admin', '{WERKZEUG}')");
    tutorial(&home, &[TABLE, &insert]).await;
    let mut ran = 0;
    for line in block("sh").lines() {
        let line = line.split('#').next().unwrap().trim();
        let args: Vec<_> = line.split_whitespace().skip(1).collect();
        assert!(line.starts_with("countersign "), "{line}");
        done(&home.cli(&args));
        ran += 1;
    }
    assert!(ran >= 4, "{ran}");
}
