//! Tokens of the former program: whom they name, what ends them, and what they never may.

use countersign_core::import::{Row, Rules};
use countersign_core::{Actor, Timestamp, User};
use countersign_flows::import::{Outcome, caps, run};
use countersign_flows::{
    Credential, FlowError, Origin, admin, authenticate, delete_account, legacy, password, sessions,
};
use countersign_testkit::TestDatabase;
use countersign_token::crypto::{b64, hmac_sha256};
use countersign_token::{Legacy, LegacySubject, Refusal};
use serde_json::{Value, json};

use crate::site::{DAY, MINUTE, PASSWORD, START, Site, disabled};

const SECRET: &[u8; 32] = b"vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a";

/// A site on each engine that accepts them for a week.
async fn accepting(holds: LegacySubject) -> Vec<Site> {
    let mut sites = Vec::new();
    for place in TestDatabase::each().await {
        let legacy = Legacy::new(SECRET, START.plus(DAY * 7)).unwrap();
        let legacy = legacy.subject("sub", holds);
        sites.push(Site::on(place, |config| config.settings.legacy = Some(legacy)).await);
    }
    sites
}

/// As flask-jwt-extended makes one, a minute before the start.
fn old(sub: Value) -> Credential {
    made_at(START.minus(MINUTE), sub)
}

fn made_at(time: Timestamp, sub: Value) -> Credential {
    let iat = time.as_secs();
    let claims = json!({"sub": sub, "iat": iat, "exp": iat + 8 * 86_400, "type": "access"});
    let header = b64(br#"{"alg":"HS256","typ":"JWT"}"#);
    let input = format!("{header}.{}", b64(claims.to_string().as_bytes()));
    let mac = hmac_sha256(SECRET, &[input.as_bytes()]);
    Credential::Bearer(format!("{input}.{}", b64(&mac)))
}

fn person(id: &str, name: &str) -> Row {
    Row {
        id: Some(id.to_owned()),
        username: Some(name.to_owned()),
        email: Some(format!("{name}@example.com")),
        admin: Some("1".to_owned()),
        ..Row::default()
    }
}

async fn import(site: &Site, rows: impl IntoIterator<Item = Row>) {
    let rules = Rules {
        caps: caps(site),
        plain: false,
        without_password: true,
    };
    let accounts: Vec<_> = rows
        .into_iter()
        .map(|row| row.check(rules).unwrap())
        .collect();
    let outcomes = run(site, &Origin::operator(), accounts).await.unwrap();
    assert!(
        outcomes.iter().all(|outcome| *outcome == Outcome::Made),
        "{outcomes:?}"
    );
}

async fn name(site: &Site, credential: &Credential) -> Result<String, FlowError> {
    let identity = authenticate::identify(site, credential).await?;
    let account = legacy::account(site, credential).await.unwrap();
    assert_eq!(account.name(), identity.name);
    Ok(identity.name)
}

async fn rename(site: &Site, user: &User, name: &str) {
    let change = admin::Change {
        names: countersign_flows::profile::NewNames {
            username: Some(name.to_owned()),
            email: None,
        },
        ..Default::default()
    };
    site.change(user, change).await.unwrap();
}

#[tokio::test]
async fn they_are_refused_where_nobody_said_otherwise_and_for_whoever_was_not_imported() {
    let site = Site::new().await;
    import(&site, [person("17", "ada")]).await;
    refused!(
        name(&site, &old(json!("17"))).await,
        FlowError::Token(Refusal::Malformed)
    );
    for site in accepting(LegacySubject::Name).await {
        import(&site, [person("17", "ada")]).await;
        site.user("eve", &[]).await;
        for stranger in ["eve", "nobody", "a b", "a@b@c", "17"] {
            refused!(
                name(&site, &old(json!(stranger))).await,
                FlowError::Token(Refusal::Revoked)
            );
        }
        let Credential::Bearer(token) = old(json!("ada")) else {
            unreachable!()
        };
        let cookie = Credential::AccessCookie(token);
        refused!(
            name(&site, &cookie).await,
            FlowError::Token(Refusal::Malformed)
        );
        assert_eq!(
            name(&site, &old(json!("ADA@Example.com"))).await.unwrap(),
            "ada"
        );
    }
}

#[tokio::test]
async fn they_open_nothing_that_asks_for_a_session() {
    for site in accepting(LegacySubject::Id).await {
        import(&site, [person("17", "ada")]).await;
        let old = old(json!(17));
        assert_eq!(name(&site, &old).await.unwrap(), "ada");
        refused!(
            authenticate::require_live(&site, &old).await,
            FlowError::Token(Refusal::Malformed)
        );
        refused!(
            authenticate::require_admin(&site, &old).await,
            FlowError::Token(Refusal::Malformed)
        );
        assert_eq!(site.let_in.count(), 2, "once for each look at the account");
    }
}

/// Names can change hands; what a name meant when the token was made, the import knew.
#[tokio::test]
async fn a_name_that_somebody_else_has_by_now_still_names_who_had_it() {
    for site in accepting(LegacySubject::Name).await {
        import(&site, [person("17", "ada"), person("18", "bob")]).await;
        let ada = admin::find(&site, "ada").await.unwrap();
        rename(&site, &ada, "ada2").await;
        let bob = admin::find(&site, "bob").await.unwrap();
        rename(&site, &bob, "ada").await;
        assert_eq!(name(&site, &old(json!("ada"))).await.unwrap(), "ada2");
        assert_eq!(name(&site, &old(json!("bob"))).await.unwrap(), "ada");
    }
}

/// As from two programs, of which each counted from one.
#[tokio::test]
async fn an_id_that_two_accounts_had_names_nobody() {
    for site in accepting(LegacySubject::Id).await {
        import(&site, [person("1", "ada"), person("17", "bob")]).await;
        assert!(name(&site, &old(json!("1"))).await.is_ok());
        import(&site, [person("1", "cid")]).await;
        refused!(
            name(&site, &old(json!("1"))).await,
            FlowError::Token(Refusal::Revoked)
        );
        assert_eq!(name(&site, &old(json!("17"))).await.unwrap(), "bob");
        refused!(
            name(&site, &old(json!("1\u{1f}0"))).await,
            FlowError::Token(Refusal::Revoked)
        );
    }
}

#[tokio::test]
async fn whatever_ends_every_login_of_an_account_ends_them_too() {
    for site in accepting(LegacySubject::Id).await {
        let people = ["1", "2", "3", "4", "5"];
        import(&site, people.map(|id| person(id, &format!("user{id}")))).await;
        let token = |id: &str| old(json!(id));
        let user = async |id: &str| admin::find(&site, &format!("user{id}")).await.unwrap();
        for id in people {
            assert!(name(&site, &token(id)).await.is_ok());
        }
        site.change(&user("1").await, disabled(true)).await.unwrap();
        let (operator, cli) = (Origin::operator(), Actor::Operator);
        delete_account::delete(&site, &operator, user("2").await.id, cli.clone())
            .await
            .unwrap();
        sessions::end_all_of_user(&site, &operator, user("3").await.id, cli.clone())
            .await
            .unwrap();
        password::set(
            &site,
            &operator,
            user("4").await.id,
            &PASSWORD.into(),
            cli.clone(),
        )
        .await
        .unwrap();
        for id in &people[..4] {
            refused!(
                name(&site, &token(id)).await,
                FlowError::Token(Refusal::Revoked)
            );
        }
        // Whoever is enabled again stays signed out, and the former program's next token is good.
        site.change(&user("1").await, disabled(false))
            .await
            .unwrap();
        refused!(
            name(&site, &token("1")).await,
            FlowError::Token(Refusal::Revoked)
        );
        site.pass(MINUTE).await;
        let next = made_at(site.clock.now(), json!("1"));
        assert!(name(&site, &next).await.is_ok());
        sessions::end_everything(&site, &operator, cli)
            .await
            .unwrap();
        refused!(
            name(&site, &token("5")).await,
            FlowError::Token(Refusal::Revoked)
        );
        site.pass(DAY * 7).await;
        refused!(
            name(&site, &token("5")).await,
            FlowError::Token(Refusal::Malformed)
        );
    }
}
