//! Our password hashes: Argon2id in the PHC string format.

use std::fmt;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use countersign_token::crypto;

use crate::foreign::Foreign;

/// The cost of one hash (RFC 9106, section 4). The default is OWASP's first choice for servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            lanes: 1,
        }
    }
}

/// A hash could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The cost is outside what Argon2 allows.
    #[error("the Argon2 parameters are out of range: memory must be at least 8 KiB per lane")]
    Cost,
    /// What is stored is no hash that is known here.
    #[error("the stored password hash cannot be read")]
    Stored,
}

/// Memory for one hash at a time, kept between hashes: fresh pages cost a tenth of the time.
#[derive(Default)]
pub struct Workspace(Vec<Block>);

/// From 32 MiB on glibc maps every allocation by itself, and gives it back to the system when it is
/// freed. Below that it learns to keep what was freed once, and 19 MiB for each thread would stay
/// for ever. Room that is never written to takes no memory.
const APART: usize = (33 << 20) / Block::SIZE;

/// Less than this it always keeps.
const KEPT: usize = (128 << 10) / Block::SIZE;

/// How much room to ask for, where so many blocks are needed.
fn room(blocks: usize) -> usize {
    if blocks <= KEPT {
        blocks
    } else {
        blocks.max(APART)
    }
}

impl Workspace {
    fn run(
        &mut self,
        params: &Params,
        password: &[u8],
        salt: &[u8],
    ) -> Result<[u8; 32], HashError> {
        let mut output = [0; 32];
        if self.0.len() < params.block_count() {
            let more = room(params.block_count()) - self.0.len();
            self.0.reserve_exact(more);
            self.0.resize(params.block_count(), Block::default());
        }
        let blocks = self.0.get_mut(..params.block_count()).unwrap_or_default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into_with_memory(password, salt, &mut output, blocks)
            .map_err(|_| HashError::Cost)?;
        Ok(output)
    }

    /// Hashes `password` at `cost` with sixteen random bytes as `salt`.
    pub fn hash(
        &mut self,
        password: &[u8],
        salt: &[u8; 16],
        cost: Cost,
    ) -> Result<String, HashError> {
        let params = cost.params()?;
        let output = self.run(&params, password, salt)?;
        written(&params, salt, &output)
    }

    /// Whether `password` is the one that `stored` was made from, by us or by another system,
    /// compared in constant time.
    pub fn verify(&mut self, password: &[u8], stored: &str) -> Result<bool, HashError> {
        let Ok((params, salt, expected)) = read(stored) else {
            let foreign = Foreign::parse(stored).map_err(|_| HashError::Stored)?;
            return foreign.verify(password).map_err(|_| HashError::Stored);
        };
        let output = self.run(&params, password, salt.as_ref())?;
        Ok(crypto::constant_time_eq(&output, expected.as_bytes()))
    }

    /// Gives back what is more than one hash of this cost needs: a larger one was imported.
    pub fn shrink_to(&mut self, cost: Cost) {
        let wanted = cost.params().map_or(0, |params| params.block_count());
        if self.0.len() > wanted {
            self.0.truncate(wanted);
            self.0.shrink_to(room(wanted));
        }
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workspace(..)")
    }
}

/// What stands in for the hash of a user who does not exist: to verify it costs as much as one of
/// this cost, and no password is known to have made it.
///
/// # Errors
/// [`HashError::Cost`].
pub fn nobody(cost: Cost) -> Result<String, HashError> {
    written(&cost.params()?, b"nobody's salt 16", &[0; 32])
}

fn written(params: &Params, salt: &[u8; 16], output: &[u8; 32]) -> Result<String, HashError> {
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| HashError::Cost)?,
        salt: Some(Salt::new(salt).map_err(|_| HashError::Cost)?),
        hash: Some(Output::new(output).map_err(|_| HashError::Cost)?),
    };
    Ok(hash.to_string())
}

impl Cost {
    /// Refuses what Argon2 does not allow.
    pub(crate) fn check(self) -> Result<(), HashError> {
        self.params().map(drop)
    }

    fn params(self) -> Result<Params, HashError> {
        Params::new(self.memory_kib, self.iterations, self.lanes, Some(32))
            .map_err(|_| HashError::Cost)
    }

    /// Whether `stored` was made at another cost, so that it should be made anew at sign-in.
    pub fn differs_from(self, stored: &str) -> bool {
        match (read(stored), self.params()) {
            (Ok((params, ..)), Ok(wanted)) => {
                (params.m_cost(), params.t_cost(), params.p_cost())
                    != (wanted.m_cost(), wanted.t_cost(), wanted.p_cost())
            }
            _ => true,
        }
    }
}

fn read(stored: &str) -> Result<(Params, Salt, Output), HashError> {
    let hash = PasswordHash::new(stored).map_err(|_| HashError::Stored)?;
    if hash.algorithm != ARGON2ID_IDENT || hash.version != Some(Version::V0x13.into()) {
        return Err(HashError::Stored);
    }
    let params = Params::try_from(&hash).map_err(|_| HashError::Stored)?;
    hash.salt
        .zip(hash.hash.filter(|output| output.len() == 32))
        .map(|(salt, output)| (params, salt, output))
        .ok_or(HashError::Stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost {
        memory_kib: 8,
        iterations: 1,
        lanes: 1,
    };

    #[test]
    fn what_is_not_argon2id_is_not_read() {
        let mut workspace = Workspace::default();
        for bad in [
            "",
            "plum-harbour-41",
            "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA",
            "$2b$12$abcdefghijklmnopqrstuv",
        ] {
            assert_eq!(workspace.verify(b"x", bad), Err(HashError::Stored), "{bad}");
        }
        // Hashes of other systems are verified, and not taken for ours.
        for foreign in [
            "$argon2i$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=16$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(workspace.verify(b"x", foreign), Ok(false), "{foreign}");
            assert!(read(foreign).is_err() && CHEAP.differs_from(foreign));
        }
        let cost = Cost {
            memory_kib: 1,
            ..CHEAP
        };
        assert_eq!(workspace.hash(b"x", &[0; 16], cost), Err(HashError::Cost));
    }

    #[test]
    fn nobody_is_verified_at_the_same_cost_and_never_right() {
        let (mut workspace, nobody) = (Workspace::default(), nobody(CHEAP).unwrap());
        for password in ["", "nobody", "plum-harbour-41"] {
            assert_eq!(workspace.verify(password.as_bytes(), &nobody), Ok(false));
        }
        assert_eq!(workspace.0.len(), 8, "it was hashed");
        assert!(!CHEAP.differs_from(&nobody));
        let cost = Cost { lanes: 0, ..CHEAP };
        assert_eq!(super::nobody(cost), Err(HashError::Cost));
    }

    #[test]
    fn one_letter_off_does_not_verify() {
        let mut workspace = Workspace::default();
        let stored = workspace.hash(b"plum-harbour-41", &[1; 16], CHEAP).unwrap();
        assert!(!workspace.verify(b"plum-harbour-42", &stored).unwrap());
        assert!(!workspace.verify(b"", &stored).unwrap());
        assert!(workspace.verify(b"plum-harbour-41", &stored).unwrap());
        assert_ne!(
            stored,
            workspace.hash(b"plum-harbour-41", &[2; 16], CHEAP).unwrap()
        );
    }

    #[test]
    fn memory_left_by_a_larger_hash_changes_nothing() {
        let mut used = Workspace::default();
        let larger = Cost {
            memory_kib: 64,
            iterations: 2,
            lanes: 2,
        };
        used.hash(b"other", &[3; 16], larger).unwrap();
        assert_eq!(used.0.len(), 64);
        let fresh = Workspace::default().hash(b"x", &[1; 16], CHEAP).unwrap();
        assert_eq!(used.hash(b"x", &[1; 16], CHEAP).unwrap(), fresh);
        used.shrink_to(CHEAP);
        assert_eq!((used.0.len(), used.0.capacity()), (8, 8));
        assert_eq!(used.hash(b"x", &[1; 16], CHEAP).unwrap(), fresh);
        // So much that it is given back to the system is asked for from the start.
        let usual = Cost {
            memory_kib: 1_024,
            ..CHEAP
        };
        used.hash(b"x", &[1; 16], usual).unwrap();
        assert!(used.0.len() == 1_024 && used.0.capacity() >= APART);
        used.shrink_to(CHEAP);
        assert_eq!((used.0.len(), used.0.capacity()), (8, 8));
    }

    #[test]
    fn a_hash_of_another_cost_is_made_anew() {
        let stored = Workspace::default().hash(b"x", &[1; 16], CHEAP).unwrap();
        assert!(!CHEAP.differs_from(&stored));
        assert!(
            Cost {
                iterations: 2,
                ..CHEAP
            }
            .differs_from(&stored)
        );
        assert!(CHEAP.differs_from("not a hash"));
    }
}
