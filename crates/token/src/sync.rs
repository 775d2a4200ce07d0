//! Locks and atomics: the standard library's, or those that `script/test-interleavings` runs in
//! every order.

#[cfg(interleave)]
pub(crate) use loom::sync::{
    RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64, atomic::Ordering,
};
#[cfg(not(interleave))]
pub(crate) use std::sync::{
    RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64, atomic::Ordering,
};
