//! Promises of the session protocol, with both ends and a wire in memory.

#[path = "session/crashes.rs"]
mod crashes;
#[path = "session/fresh.rs"]
mod fresh;
#[path = "session/lost.rs"]
mod lost;
#[path = "session/malformed.rs"]
mod malformed;
#[path = "session/order.rs"]
mod order;
#[path = "session/pair.rs"]
mod pair;
#[path = "session/random.rs"]
mod random;
#[path = "session/terminal.rs"]
mod terminal;
