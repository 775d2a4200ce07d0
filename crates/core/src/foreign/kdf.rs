//! The functions that other systems hash passwords with, what one run of each costs, and how much
//! is too much.

use std::fmt;
use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use countersign_token::crypto::{self, Prf};

use super::Unusable;
use crate::phc::Cost;

/// A function with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kdf {
    /// RFC 9106.
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        cost: Cost,
    },
    /// RFC 7914; `N` is two to the power of `log_n`.
    Scrypt { log_n: u8, r: u32, p: u32 },
    /// RFC 8018.
    Pbkdf2 { prf: Prf, iterations: NonZeroU32 },
    /// Two to the power of `cost` rounds.
    Bcrypt { cost: u32 },
}

/// What one run costs at most: no imported hash may make a sign-in expensive enough to keep a server
/// busy, or large enough to take its memory.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    work: u64,
    memory_kib: u64,
}

/// How many times the work of one of our own hashes one imported hash may cost. What Django writes
/// by default needs 27.
pub const MOST_WORK: u64 = 32;

/// What one imported hash may fill, in KiB: the 128 MiB of OWASP's first choice for scrypt, and the
/// little that scrypt keeps beside them.
pub const MOST_MEMORY_KIB: u64 = 129 * 1024;

/// Nanoseconds of one core, measured on a server of 2023. Only the proportions matter: work is
/// compared with our own Argon2, estimated in the same way.
mod nanoseconds {
    /// One pass over one KiB.
    pub(super) const ARGON2: u64 = 600;
    /// One `N·r·p`: 128 bytes written and read, through Salsa20/8 each time.
    pub(super) const SCRYPT: u64 = 330;
    /// One iteration for each block of output.
    pub(super) const PBKDF2_SHA1: u64 = 320;
    pub(super) const PBKDF2_SHA256: u64 = 420;
    pub(super) const PBKDF2_SHA512: u64 = 920;
    /// One of the two to the power of cost rounds.
    pub(super) const BCRYPT: u64 = 66_000;
}

impl Caps {
    /// The caps beside our own hashes of this cost. A cost below the default, as tests have, lowers
    /// nothing: the default is what a server must bear.
    pub fn beside(own: Cost) -> Self {
        let default = Cost::default();
        let ours = argon2_work(own).max(argon2_work(default));
        Self {
            work: MOST_WORK * ours,
            memory_kib: MOST_MEMORY_KIB.max(own.memory_kib.into()),
        }
    }
}

fn argon2_work(cost: Cost) -> u64 {
    u64::from(cost.memory_kib)
        .saturating_mul(cost.iterations.into())
        .saturating_mul(nanoseconds::ARGON2)
}

impl Kdf {
    /// Refuses what costs more than `caps` allow.
    pub(super) fn check(&self, output: usize, caps: Caps) -> Result<(), Unusable> {
        let over = |what| {
            Err(Unusable::TooCostly {
                cost: self.to_string(),
                what,
            })
        };
        let memory = self.memory_kib();
        if memory > caps.memory_kib {
            return over(format!(
                "fills {} MiB, and {} are allowed",
                memory / 1024,
                caps.memory_kib / 1024
            ));
        }
        if self.work(output) > caps.work {
            let times = self.work(output) * MOST_WORK / caps.work.max(1);
            return over(format!(
                "takes about {times} times as long as one of ours, and {MOST_WORK} times is allowed"
            ));
        }
        Ok(())
    }

    fn memory_kib(&self) -> u64 {
        match self {
            Self::Argon2 { cost, .. } => cost.memory_kib.into(),
            Self::Scrypt { log_n, r, p } => {
                let blocks = 1_u64
                    .checked_shl((*log_n).into())
                    .unwrap_or(u64::MAX)
                    .saturating_add((*p).into());
                blocks.saturating_mul((*r).into()) / 8
            }
            Self::Pbkdf2 { .. } => 0,
            Self::Bcrypt { .. } => 4,
        }
    }

    fn work(&self, output: usize) -> u64 {
        match *self {
            Self::Argon2 { cost, .. } => argon2_work(cost),
            Self::Scrypt { log_n, r, p } => 1_u64
                .checked_shl(log_n.into())
                .unwrap_or(u64::MAX)
                .saturating_mul(r.into())
                .saturating_mul(p.into())
                .saturating_mul(nanoseconds::SCRYPT),
            Self::Pbkdf2 { prf, iterations } => {
                let (block, each) = match prf {
                    Prf::Sha1 => (20, nanoseconds::PBKDF2_SHA1),
                    Prf::Sha256 => (32, nanoseconds::PBKDF2_SHA256),
                    Prf::Sha512 => (64, nanoseconds::PBKDF2_SHA512),
                };
                let blocks = output.div_ceil(block) as u64;
                u64::from(iterations.get()) * each * blocks
            }
            Self::Bcrypt { cost } => 1_u64
                .checked_shl(cost)
                .unwrap_or(u64::MAX)
                .saturating_mul(nanoseconds::BCRYPT),
        }
    }

    /// Fills `output` from a password.
    ///
    /// # Errors
    /// [`Unusable::Malformed`] where the function does not take its parameters.
    pub(super) fn derive(
        &self,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Unusable> {
        match *self {
            Self::Argon2 {
                algorithm,
                version,
                cost,
            } => {
                let params = Params::new(
                    cost.memory_kib,
                    cost.iterations,
                    cost.lanes,
                    Some(output.len()),
                )
                .map_err(|_| Unusable::Malformed("Argon2"))?;
                Argon2::new(algorithm, version, params)
                    .hash_password_into(password, salt, output)
                    .map_err(|_| Unusable::Malformed("Argon2"))
            }
            Self::Scrypt { log_n, r, p } => {
                let params =
                    scrypt::Params::new(log_n, r, p).map_err(|_| Unusable::Malformed("scrypt"))?;
                scrypt::scrypt(password, salt, &params, output)
                    .map_err(|_| Unusable::Malformed("scrypt"))
            }
            Self::Pbkdf2 { prf, iterations } => {
                crypto::pbkdf2(prf, iterations, salt, password, output);
                Ok(())
            }
            Self::Bcrypt { cost } => {
                let salt = salt.try_into().map_err(|_| Unusable::Malformed("bcrypt"))?;
                // Its key is the password with the NUL that ends it, and no more than 72 bytes.
                let mut key = zeroize::Zeroizing::new(password.to_vec());
                key.push(0);
                key.truncate(72);
                let made = bcrypt::bcrypt(cost, salt, &key);
                output.copy_from_slice(
                    made.get(..output.len())
                        .ok_or(Unusable::Malformed("bcrypt"))?,
                );
                Ok(())
            }
        }
    }
}

/// The parameters, for a report.
impl fmt::Display for Kdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argon2 { cost, .. } => write!(
                f,
                "Argon2 with m={},t={},p={}",
                cost.memory_kib, cost.iterations, cost.lanes
            ),
            Self::Scrypt { log_n, r, p } => write!(f, "scrypt with N=2^{log_n},r={r},p={p}"),
            Self::Pbkdf2 { iterations, .. } => write!(f, "PBKDF2 with {iterations} iterations"),
            Self::Bcrypt { cost } => write!(f, "bcrypt of cost {cost}"),
        }
    }
}
