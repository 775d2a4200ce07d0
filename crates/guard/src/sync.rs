//! Atomics: the standard library's, or those that `script/test-interleavings` runs in every order.

#[cfg(interleave)]
pub(crate) use loom::sync::atomic::{AtomicI64, Ordering};
#[cfg(not(interleave))]
pub(crate) use std::sync::atomic::{AtomicI64, Ordering};
