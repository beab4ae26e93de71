//! Decides where jobs run and does nothing else: no clock, no file, no socket, no thread,
//! no randomness but a seeded generator.
//!
//! Events and the time go in, actions come out. A role feeds what happened, carries out
//! what comes back, and calls again at `next_deadline`. The same code runs in the daemon
//! and in `bench/simulate`; the paper is `docs/scheduler.md`.
//!
//! | Module | Question it answers |
//! |---|---|
//! | [`table`] | What is known of the hosts, and who is told next? |
//! | [`estimate`] | How many tasks want a CPU here, when the kernel's figure lags? |
//! | [`rank`] | How good would a start be on this host? |
//! | [`choose`] | Which of these hosts is meant, and which is best? |
//! | [`admission`] | May this start happen here, now? Who gets the slot that is free? |
//! | [`attach`] | Which session does a person mean? |
//! | [`dispatch`] | Which job is placed next, and whom do we ask? |
//! | [`reports`] | What is mailed to whom, and when is it tried again? |
//! | [`resources`] | What has this host for jobs besides slots, and who has it? |

pub mod admission;
pub mod attach;
pub mod choose;
pub mod dispatch;
pub mod estimate;
pub mod gates;
pub mod names;
pub mod random;
pub mod rank;
pub mod reports;
pub mod resources;
pub mod table;
pub mod time;
