//! The integration tests of `countersign-core`.

mod interleavings;
