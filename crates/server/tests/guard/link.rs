//! A link that freezes: every socket stays open, and nothing comes.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign_guard::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flow {
    Open,
    /// Half of the issuer's next answer goes through, then nothing.
    HalfAnAnswer,
    Frozen,
}

/// Between a guard and its issuer.
struct Link {
    address: SocketAddr,
    flow: Arc<watch::Sender<Flow>>,
}

impl Link {
    async fn to(issuer: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let flow = Arc::new(watch::Sender::new(Flow::Open));
        let shared = Arc::clone(&flow);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(issuer).await else {
                    continue;
                };
                let ((from_guard, to_guard), (from_issuer, to_issuer)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(carry(from_guard, to_issuer, Arc::clone(&shared), false));
                tokio::spawn(carry(from_issuer, to_guard, Arc::clone(&shared), true));
            }
        });
        Self { address, flow }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn is(&self, flow: Flow) {
        let waiting = async {
            self.flow
                .subscribe()
                .wait_for(|now| *now == flow)
                .await
                .map(drop)
        };
        let came = tokio::time::timeout(Duration::from_secs(5), waiting).await;
        came.unwrap().unwrap();
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    flow: Arc<watch::Sender<Flow>>,
    answers: bool,
) {
    let (mut buffer, mut now) = (vec![0; 64 * 1024], flow.subscribe());
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let mut piece = &buffer[..read];
        if answers && *flow.borrow() == Flow::HalfAnAnswer {
            let (half, rest) = piece.split_at(read / 2);
            piece = rest;
            let _ = to.write_all(half).await;
            flow.send_replace(Flow::Frozen);
        }
        if now.wait_for(|flow| *flow != Flow::Frozen).await.is_err()
            || to.write_all(piece).await.is_err()
        {
            return;
        }
    }
}

/// The bounded lease, which takes half a minute, is the guard's own test with a clock that is moved.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_frozen_within_an_answer_lets_the_lease_lapse_on_time_and_thaws_by_itself() {
    let server = home().start();
    let link = Link::to(server.addr()).await;
    let follow = |policy| Guard::builder(&link.url()).policy(policy).connect();
    let (strict, bounded) = (
        follow(Policy::Strict).await.unwrap(),
        follow(Policy::Bounded).await.unwrap(),
    );
    let near = guard(&server).await;
    register(&server, "ada").await;
    let mut ended = vec![];
    for _ in 0..5 {
        ended.push(sign_in(&server, "ada").await);
    }
    let living = sign_in(&server, "ada").await;
    for token in ended.iter().chain([&living]) {
        for guard in [&strict, &bounded] {
            assert!(guard.check(token).await.is_ok());
        }
    }
    link.flow.send_replace(Flow::HalfAnAnswer);
    let began = Instant::now();
    for token in &ended {
        let logout = server.client().post("/logout").bearer(token).send().await;
        let _ = logout.expect(200);
        until(&near, token, "token_revoked", Duration::from_secs(1)).await;
    }
    link.is(Flow::Frozen).await;
    let lapsed = until(&strict, &living, "unavailable", Duration::from_secs(4)).await;
    println!("strict: stale {:?} after the link froze", began.elapsed());
    assert!(
        lapsed > Duration::from_millis(500),
        "it had a lease: {lapsed:?}"
    );
    let refusal = strict.check(&living).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.retry_after()), (503, Some(1)));
    // Within its thirty seconds.
    assert_eq!(code(&bounded, &living), "");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(code(&strict, &living), "unavailable", "and it stays so");

    link.flow.send_replace(Flow::Open);
    let took = until(&strict, &living, "", Duration::from_secs(5)).await;
    println!("strict: current {took:?} after the link thawed");
    for guard in [&strict, &bounded] {
        for token in &ended {
            until(guard, token, "token_revoked", Duration::from_secs(6)).await;
        }
        assert_eq!(code(guard, &living), "");
    }
}
