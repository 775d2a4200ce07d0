//! Guards that are not made.

use super::*;
use crate::{ConnectError, RemoteError};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_said_at_once_and_without_secrets() {
    let issuer = Issuer::start().await;
    let builder = || Guard::builder(&issuer.url).credentials("shop", "hunter2-hunter2");
    let said = async |builder: crate::Builder| {
        let error = builder.connect().await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
        text
    };
    for (text, builder) in [
        (
            "above 30 seconds",
            builder().leeway(Duration::from_secs(31)),
        ),
        ("shorter than 32 bytes", builder().shared_secret(b"hunter2")),
        ("cannot be reached", Guard::builder("http://127.0.0.1:1")),
        ("cannot be reached", Guard::builder("not an address")),
        ("404", Guard::builder(&format!("{}/elsewhere", issuer.url))),
    ] {
        let said = said(builder).await;
        assert!(said.contains(text), "{said}");
    }
    for (mode, text) in [(Mode::Fails(401), "401"), (Mode::HalfAnswers, "in time")] {
        issuer.now(|told| told.mode = mode);
        let said = said(builder()).await;
        assert!(said.contains(text), "{said}");
    }
    issuer.now(|told| {
        told.mode = Mode::Answers;
        told.jwks = Mode::HalfAnswers;
    });
    let error = builder().connect().await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Remote(RemoteError::Keys(_))),
        "{error}"
    );
    assert!(!format!("{:?}", builder()).contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_secret_verifies_beside_an_empty_key_set() {
    let issuer = Issuer::start().await;
    let secret = b"what-issuer-and-services-share-0123456789";
    let key = countersign_token::SigningKey::shared_secret(secret).unwrap();
    issuer.now(|told| told.keys = vec![Arc::new(key)]);
    let guard = Guard::builder(&issuer.url).shared_secret(secret);
    let guard = guard.connect().await.unwrap();
    assert_eq!(code(&guard, &issuer.mint("s")), "");
    let without = Guard::connect(&issuer.url).await.unwrap();
    assert_eq!(code(&without, &issuer.mint("s")), "token_signature_invalid");
    let other = Guard::builder(&issuer.url)
        .audience("other")
        .shared_secret(secret);
    let other = other.connect().await.unwrap();
    assert_eq!(code(&other, &issuer.mint("s")), "token_wrong_audience");
}
