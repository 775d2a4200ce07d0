use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use countersign_core::phc::Cost;
use countersign_flows::{FlowError, Hasher, Purpose};
use tokio::task::{JoinHandle, yield_now};

const CHEAP: Cost = Cost {
    memory_kib: 8,
    iterations: 1,
    lanes: 1,
};

/// A runtime whose one thread for blocking work is taken until the sender is dropped: no hash ends.
fn held_up(test: impl AsyncFnOnce(Sender<()>)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (release, wait) = channel::<()>();
        drop(tokio::task::spawn_blocking(move || wait.recv()));
        test(release).await;
    });
}

fn hash(hasher: &Arc<Hasher>, purpose: Purpose) -> JoinHandle<Result<String, FlowError>> {
    let hasher = Arc::clone(hasher);
    tokio::spawn(async move { hasher.hash(&"a password".into(), [1; 16], purpose).await })
}

/// Lets every task go as far as it gets.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

/// The answer to a hash that is not made: it comes although every thread is held up.
async fn refusal(hash: JoinHandle<Result<String, FlowError>>) -> Result<String, FlowError> {
    settle().await;
    assert!(hash.is_finished(), "it was taken into the queue");
    hash.await.unwrap()
}

#[test]
fn a_full_queue_is_busy_and_registrations_fill_a_quarter_of_it() {
    held_up(async |release| {
        let hasher = Arc::new(Hasher::new(CHEAP, 1, 8).unwrap());
        let mut waiting: Vec<_> = (0..2)
            .map(|_| hash(&hasher, Purpose::Registration))
            .collect();
        settle().await;
        let busy = refusal(hash(&hasher, Purpose::Registration)).await;
        refused!(busy, FlowError::Busy { retry_after } if retry_after == Duration::from_secs(2));
        // A refusal leaves the place that it took.
        waiting.extend((0..6).map(|_| hash(&hasher, Purpose::SignIn)));
        settle().await;
        for purpose in [Purpose::SignIn, Purpose::Registration] {
            refused!(
                refusal(hash(&hasher, purpose)).await,
                FlowError::Busy { .. }
            );
        }
        refused!(
            hasher.verify(&"a password".into(), None).await,
            FlowError::Busy { .. }
        );
        assert_eq!(hasher.started(), 1, "one thread");
        drop(release);
        for hash in waiting {
            hash.await.unwrap().unwrap();
        }
        assert_eq!(hasher.started(), 8);
        hash(&hasher, Purpose::Registration).await.unwrap().unwrap();
    });
}

#[test]
fn a_quarter_of_a_small_queue_is_one() {
    held_up(async |release| {
        drop(release);
        let hasher = Arc::new(Hasher::new(CHEAP, 1, 1).unwrap());
        hash(&hasher, Purpose::Registration).await.unwrap().unwrap();
    });
}

#[test]
fn a_client_who_hangs_up_frees_its_place_but_not_a_thread_that_works() {
    held_up(async |release| {
        let hasher = Arc::new(Hasher::new(CHEAP, 1, 3).unwrap());
        let working = hash(&hasher, Purpose::SignIn);
        settle().await;
        let waiting: Vec<_> = (0..2).map(|_| hash(&hasher, Purpose::SignIn)).collect();
        settle().await;
        working.abort();
        waiting.iter().for_each(JoinHandle::abort);
        settle().await;
        // Two places are free again, the third is that of the work under way.
        let next: Vec<_> = (0..2).map(|_| hash(&hasher, Purpose::SignIn)).collect();
        settle().await;
        refused!(
            refusal(hash(&hasher, Purpose::SignIn)).await,
            FlowError::Busy { .. }
        );
        assert_eq!(hasher.started(), 1);
        drop(release);
        for hash in next {
            hash.await.unwrap().unwrap();
        }
    });
}

#[tokio::test]
async fn what_is_verified_is_the_password_and_nothing_is_nobody() {
    let hasher = Arc::new(Hasher::new(CHEAP, 2, 8).unwrap());
    let stored = hash(&hasher, Purpose::SignIn).await.unwrap().unwrap();
    for (password, stored, right) in [
        ("a password", Some(stored.as_str()), true),
        ("another password", Some(stored.as_str()), false),
        ("a password", None, false),
    ] {
        assert_eq!(
            hasher.verify(&password.into(), stored).await.unwrap(),
            right
        );
    }
    assert!(!hasher.is_outdated(&stored));
    let dearer = Hasher::new(
        Cost {
            iterations: 2,
            ..CHEAP
        },
        1,
        8,
    )
    .unwrap();
    assert!(dearer.is_outdated(&stored));
    assert!(
        dearer
            .verify(&"a password".into(), Some(&stored))
            .await
            .unwrap()
    );
    refused!(
        hasher.verify(&"a password".into(), Some("rubbish")).await,
        FlowError::Internal(_)
    );
}

#[tokio::test]
async fn memory_is_kept_between_hashes_and_given_back_after_a_rest() {
    let hasher = Arc::new(Hasher::new(CHEAP, 2, 8).unwrap());
    assert_eq!(hasher.resting(), 0, "nothing before the first login");
    for _ in 0..3 {
        hash(&hasher, Purpose::SignIn).await.unwrap().unwrap();
        assert_eq!(hasher.resting(), 1);
    }
    let hasher = Hasher::new(CHEAP, 2, 8).unwrap();
    let hasher = Arc::new(hasher.resting_for(Duration::from_millis(1)));
    let wave: Vec<_> = (0..8).map(|_| hash(&hasher, Purpose::SignIn)).collect();
    for hash in wave {
        hash.await.unwrap().unwrap();
    }
    let at_rest = async {
        while hasher.resting() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), at_rest)
        .await
        .expect("it is given back");
    hash(&hasher, Purpose::SignIn).await.unwrap().unwrap();
}
