//! Batch jobs from end to end: one host is a home directory of its own, several are namespaces and need root:
//! `cargo test -p queue-tests --features root --test batch`.

mod after;
mod answers;
mod arrays;
mod changing;
#[cfg(feature = "root")]
mod elsewhere;
mod ends;
#[cfg(feature = "root")]
mod full;
mod here;
mod input;
mod keeping;
#[allow(dead_code, reason = "it serves other tests too")]
#[path = "../single/login.rs"]
mod login;
mod logs;
mod notices;
mod order;
mod past;
mod reports;
mod restarts;
mod submitting;
