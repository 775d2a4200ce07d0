//! What a restored database makes up for.

use std::time::Duration;

use countersign_core::{Seq, Subject};
use countersign_flows::{FlowError, Mode, backup, keys};
use countersign_store::snapshot::Past;
use countersign_store::{events, log};
use countersign_token::{Refusal, Scope};

use crate::site::{LIFE, Site, refresh_token};

#[tokio::test]
async fn the_log_of_a_restored_database_goes_on_above_the_one_that_it_replaces() {
    for site in Site::each().await {
        site.user("ada", &[]).await;
        let held = site.sign_in("ada", Mode::Token).await;
        let kid = keys::list(&site).await.unwrap()[0].record.kid.clone();
        // A log that had come further, of tokens that lived longer, under another name.
        let hour = Duration::from_secs(3_600);
        let past = Past {
            seq: Seq(site.clock.now().plus(hour).as_millis() * 1_000),
            life: LIFE * 3,
            issuer: Some("https://older.example".to_owned()),
        };
        backup::restored(&site, Some(past.clone()), "b.db")
            .await
            .unwrap();
        let mut reader = site.db.read().await.unwrap();
        let mut conn = reader.conn();
        let floors = log::floors_after(&mut conn, past.seq, 10).await.unwrap();
        let issuers = ["https://id.example", "https://older.example"];
        let subjects = issuers.map(|issuer| Subject::of(Scope::Issuer, issuer));
        assert_eq!(
            floors.iter().map(|floor| floor.subject).collect::<Vec<_>>(),
            subjects
        );
        for floor in &floors {
            assert!(floor.expires > site.clock.now().plus(LIFE * 3));
        }
        let look = log::look(&mut conn).await.unwrap();
        assert_eq!(
            (Some(look.seq), look.keys_version),
            (floors.last().map(|f| f.seq), look.seq.0)
        );
        let told = events::page(&mut conn, None, 2).await.unwrap();
        assert_eq!(
            [&*told[0].kind, &told[1].kind],
            ["backup.restored", "key.created"]
        );
        assert_eq!(told[0].data.as_deref(), Some(r#"{"file":"b.db"}"#));
        let listed = keys::list(&site).await.unwrap();
        for key in &listed {
            assert_eq!(
                key.record.revoked_at.is_some(),
                key.record.kid == kid,
                "{key:?}"
            );
        }
        assert_eq!(listed.len(), 2);
        drop(reader);
        let node = site.node().await;
        refused!(
            node.identify(&held).await,
            FlowError::Token(Refusal::UnknownKey)
        );
        refused!(
            node.refresh(&refresh_token(&held)).await,
            FlowError::RefreshInvalid
        );
        let new = node.sign_in("ada", Mode::Token).await;
        node.identify(&new).await.unwrap();
    }
}
