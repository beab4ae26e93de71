//! Queues as admins shape them, on real daemons: one host is a home directory of its own, several are namespaces and
//! need root: `cargo test -p queue-tests --features root --test queues`.

mod access;
mod gates;
#[allow(dead_code, reason = "it serves other tests too")]
#[path = "../batch/here.rs"]
mod here;
#[cfg(feature = "root")]
mod hosts;
mod limits;
#[allow(dead_code, reason = "it serves other tests too")]
#[path = "../single/login.rs"]
mod login;
mod orders;
mod profiles;
mod queue;
mod resources;
mod supervisor;
