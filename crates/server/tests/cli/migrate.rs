//! `migrate`: what it says where there is nothing to do, and what a newer database is told.

use countersign_testkit::TestDatabase;
use serde_json::json;

use super::{add, answer, done, home, refused};

#[tokio::test]
async fn it_says_where_the_schema_stands_and_a_newer_one_is_refused() {
    for database in TestDatabase::each().await {
        let home = home().database(&database);
        if database.is_postgres() {
            let would = answer(&home, &["migrate", "--dry-run"], "");
            assert_eq!(
                (&would["found"], &would["done"]),
                (&json!(null), &json!(false))
            );
            assert_eq!(would, answer(&home, &["migrate", "--dry-run"], ""));
            assert_eq!(answer(&home, &["migrate"], "")["done"], true);
        } else {
            add(&home, "ada", &[]);
        }
        let _server = home.start();
        for args in [&["migrate"][..], &["migrate", "--dry-run"]] {
            let exit = home.cli(args);
            assert!(done(&exit).contains("there is nothing to do"), "{exit:#?}");
            let stands = answer(&home, args, "");
            let version = stands["version"].clone();
            let expected = json!({"found": version, "version": version, "steps": [], "kept": null, "done": false});
            assert_eq!(stands, expected);
        }
        let newer = "INSERT INTO schema_migrations (version, name) VALUES (9999, 'to come')";
        database.execute(newer).await;
        for args in [&["migrate"][..], &["migrate", "--dry-run"]] {
            refused(&home.cli(args), 1, &["schema version 9999", "newer binary"]);
        }
    }
}
