//! Locks, atomics and chance: the standard library's, or those that `script/test-interleavings` runs
//! in every order, which has to find everything else the same each time.

use std::hash::BuildHasher;

/// Hashes that nobody can foresee.
#[cfg(not(interleave))]
pub(crate) type Keyed = std::hash::RandomState;
#[cfg(interleave)]
pub(crate) type Keyed = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Any number.
pub(crate) fn chance() -> u64 {
    Keyed::default().hash_one(())
}

#[cfg(interleave)]
pub(crate) use loom::sync::{
    RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64, atomic::Ordering,
};
#[cfg(not(interleave))]
pub(crate) use std::sync::{
    RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64, atomic::Ordering,
};
