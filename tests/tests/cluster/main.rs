//! Several hosts, each a set of namespaces with daemons of its own. Needs root:
//! `cargo test -p queue-tests --features root --test cluster`.
#![cfg(feature = "root")]

mod choosing;
mod clocks;
mod copies;
mod flow;
mod impostors;
mod membership;
mod openssh;
mod outsider;
mod programs;
mod qsh;
mod restarts;
mod running;
mod strangers;
