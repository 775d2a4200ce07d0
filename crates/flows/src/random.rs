//! Where random bytes come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_token::crypto;

/// A source of random bytes.
#[derive(Debug, Clone)]
pub struct Random(Kind);

#[derive(Debug, Clone)]
enum Kind {
    System,
    Seeded { seed: u64, drawn: Arc<AtomicU64> },
}

impl Random {
    /// The operating system's generator.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// For tests: the same bytes on every run, and no two draws alike.
    pub fn seeded(seed: u64) -> Self {
        Self(Kind::Seeded {
            seed,
            drawn: Arc::default(),
        })
    }

    /// Draws so many bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            Kind::System => crypto::fill_random(&mut bytes),
            Kind::Seeded { seed, drawn } => {
                let draw = drawn.fetch_add(1, Ordering::Relaxed);
                for (n, chunk) in bytes.chunks_mut(32).enumerate() {
                    let block = match n {
                        0 => crypto::sha256(format!("{seed}/{draw}").as_bytes()),
                        n => crypto::sha256(format!("{seed}/{draw}/{n}").as_bytes()),
                    };
                    chunk.copy_from_slice(&block[..chunk.len()]);
                }
            }
        }
        bytes
    }
}
