//! What end-to-end tests stand on: hosts, terminals, and waiting for conditions with a deadline.
//!
//! Nothing here sleeps for luck: every wait is for a condition and has a deadline that names it.

pub mod cluster;
pub mod process;
pub mod programs;
pub mod terminal;
pub mod wait;
