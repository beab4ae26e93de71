//! Whatever dies, and at whatever moment: what was promised about batch jobs holds. Needs root and strace:
//! `cargo test -p queue-tests --features root --test crashes`. The long part is `tests/crashes`.
//!
//! Jobs write into a ledger that nothing of ours touches; the promises are checked against it.
#![cfg(feature = "root")]

mod clients;
mod disk;
mod fault;
mod hosts;
mod ledger;
mod orders;
mod stages;
mod steps;
