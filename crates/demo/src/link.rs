//! The way from a service to the issuer, which can be cut.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// A guard has one connection, and another while it gives up on the first.
const MOST_CONNECTIONS: usize = 32;

/// What is kept of each direction while the link is cut.
const MOST_HELD: usize = 64 * 1024;

/// A TCP proxy to one address. While it is cut nothing passes and nothing is closed, so that either
/// end sees what it would see of a network that lost the other. Ends when dropped.
pub(crate) struct Link {
    address: SocketAddr,
    open: watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Link {
    /// A link from a new port of the same host, which is open.
    pub(crate) async fn to(issuer: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::new(issuer.ip(), 0)).await?;
        let address = listener.local_addr()?;
        let (open, gate) = watch::channel(true);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, issuer, gate));
        Ok(Self {
            address,
            open,
            _task: task,
        })
    }

    /// Where the service finds the issuer.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Cuts it, or mends it; what was held back then passes.
    pub(crate) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }
}

async fn accept(listener: TcpListener, issuer: SocketAddr, gate: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let Ok((service, _)) = listener.accept().await else {
            // Out of descriptors: what is open may close.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let gate = gate.clone();
        connections.spawn(async move {
            // A connection that breaks is the guard's affair.
            let _ = carry(service, issuer, gate).await;
            drop(permit);
        });
    }
}

/// Carries one connection until either end closes it.
async fn carry(
    service: TcpStream,
    issuer: SocketAddr,
    mut gate: watch::Receiver<bool>,
) -> io::Result<()> {
    let issuer = TcpStream::connect(issuer).await?;
    service.set_nodelay(true)?;
    issuer.set_nodelay(true)?;
    // Both halves live here: one that is dropped closes its direction.
    let (mut from_service, mut to_service) = service.into_split();
    let (mut from_issuer, mut to_issuer) = issuer.into_split();
    let asking = pump(&mut from_service, &mut to_issuer, gate.clone());
    let answering = async {
        let done = pump(&mut from_issuer, &mut to_service, gate.clone()).await;
        // That the issuer hung up is news, too.
        opened(&mut gate).await;
        done
    };
    tokio::select! {
        done = asking => done,
        done = answering => done,
    }
}

/// Passes on what comes while the gate is open, and keeps it while it is not.
async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut gate: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = opened(&mut gate), if !held.is_empty() => {
                to.write_all(&held).await?;
                held.clear();
            }
            read = from.read_buf(&mut held), if held.len() < MOST_HELD => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

async fn opened(gate: &mut watch::Receiver<bool>) {
    // The sender is gone where the link is, and this task with it.
    let _ = gate.wait_for(|open| *open).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Too short for nothing to have passed by chance, long enough for loopback.
    const SILENCE: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_cut_link_passes_nothing_closes_nothing_and_a_mended_one_gives_what_it_held() {
        let issuer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link::to(issuer.local_addr().unwrap()).await.unwrap();
        let mut near = TcpStream::connect(link.address()).await.unwrap();
        let (mut far, _) = issuer.accept().await.unwrap();
        let mut byte = [0];

        link.set_open(false);
        assert!(!link.is_open());
        near.write_all(b"?").await.unwrap();
        far.write_all(b"!").await.unwrap();
        assert!(timeout(SILENCE, far.read(&mut byte)).await.is_err());
        assert!(timeout(SILENCE, near.read(&mut byte)).await.is_err());

        link.set_open(true);
        far.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"?");
        near.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"!");
    }

    #[tokio::test]
    async fn a_hang_up_does_not_pass_a_cut_link_before_it_is_mended() {
        let issuer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link::to(issuer.local_addr().unwrap()).await.unwrap();
        let mut near = TcpStream::connect(link.address()).await.unwrap();
        let (far, _) = issuer.accept().await.unwrap();
        let mut byte = [0];

        link.set_open(false);
        drop(far);
        assert!(timeout(SILENCE, near.read(&mut byte)).await.is_err());
        link.set_open(true);
        assert_eq!(near.read(&mut byte).await.unwrap(), 0);
    }
}
