//! A process full of guards, each with its own connection, which say when they begin to refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use countersign_guard::{Guard, Refusal, TokenRefusal};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::child::Parent;
use crate::clock::nanos;
use crate::site::Site;

/// How long a guard may take to refuse before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// `URL COUNT SECRET`. For each `{"watch": token}`: `{"armed": true}` once every guard lets that
/// token in and watches it, then `{"refused": [nanoseconds, …]}`, zero for one that never did.
pub(crate) async fn run(args: &[String]) {
    let [url, count, secret] = args else {
        panic!("three arguments");
    };
    let guards = connect(url, count.parse().expect("a number"), secret).await;
    let parent = Parent;
    parent.say(&json!({"ready": guards.len()}));
    while let Some(order) = parent.hear().await {
        let token: Arc<str> = order["watch"].as_str().expect("a token").into();
        let (armed, refused) = watch(&guards, &token);
        while armed.load(Ordering::Acquire) < guards.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        parent.say(&json!({"armed": true}));
        parent.say(&json!({"refused": refused.join_all().await}));
    }
}

async fn connect(url: &str, count: usize, secret: &str) -> Vec<Guard> {
    let places = Arc::new(Semaphore::new(16));
    let mut connecting = JoinSet::new();
    for _ in 0..count {
        let builder = Guard::builder(url).credentials(Site::SERVICE, secret);
        let places = Arc::clone(&places);
        connecting.spawn(async move {
            let _place = places.acquire().await;
            builder.connect().await.expect("a guard")
        });
    }
    connecting.join_all().await
}

/// The moment that counts is the one at which `Guard::revoked` answers: the guard has told whoever
/// watches the login, and refuses its token from a little before on.
fn watch(guards: &[Guard], token: &Arc<str>) -> (Arc<AtomicUsize>, JoinSet<i64>) {
    let armed = Arc::new(AtomicUsize::new(0));
    let mut refused = JoinSet::new();
    for guard in guards {
        let (guard, token, armed) = (guard.clone(), Arc::clone(token), Arc::clone(&armed));
        refused.spawn(async move {
            guard.check(&token).await.expect("good before the logout");
            let ended = guard.revoked(&token);
            armed.fetch_add(1, Ordering::Release);
            let at = AtomicI64::new(0);
            let watching = async {
                let why = ended.await;
                at.store(nanos(), Ordering::Relaxed);
                assert_eq!(why, Refusal::Token(TokenRefusal::Revoked));
                assert!(guard.verify(&token).is_err());
            };
            let _ = timeout(PATIENCE, watching).await;
            at.into_inner()
        });
    }
    (armed, refused)
}
