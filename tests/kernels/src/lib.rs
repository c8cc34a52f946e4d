//! Those modules of `burn-prune-engine` that know nothing of Burn, for their unit tests.
//!
//! ```text
//! cd tests/kernels
//! cargo test
//! RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test --target x86_64-unknown-linux-gnu
//! ```
#![cfg(test)]
// Here only tests read them.
#![allow(dead_code, unused_imports)]

#[path = "../../../crates/burn-prune-engine/src/activation.rs"]
mod activation;
#[path = "../../../crates/burn-prune-engine/src/format/mod.rs"]
mod format;
#[path = "../../../crates/burn-prune-engine/src/kernel/mod.rs"]
mod kernel;
#[path = "../../../crates/burn-prune-engine/src/layout.rs"]
mod layout;
#[path = "../../../crates/burn-prune-engine/src/window.rs"]
mod window;
