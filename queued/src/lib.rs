//! The daemon side of queue: one program, several roles.
//!
//! Each role is a module with one entry: [`daemon`] talks to the network and decides with
//! [`core`]; [`runner`] is a user's end of all that user's sessions; [`leader`] is the parent of
//! one job. Roles meet only over sockets; the messages stand in `link` (daemon and runner) and
//! `leader::message` (runner and leader).

pub mod config;
pub mod core;
pub mod daemon;
pub mod leader;
pub mod link;
pub mod profile;
pub mod runner;
pub mod vouch;
