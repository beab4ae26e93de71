//! What is said between the programs of queue: plain types of the API, the session
//! protocol, certificates and warrants.
//!
//! This crate knows nobody: no file, no process, no clock. A new field in any type here is
//! optional for the reader, because two releases must understand each other.
//! The paper is `docs/protocol.md`.

pub mod after;
pub mod api;
pub mod array;
pub mod attempts;
pub mod batch;
pub mod byte_string;
pub mod exchange;
pub mod history;
pub mod identity;
pub mod job;
pub mod keeping;
pub mod limits;
pub mod link;
pub mod needs;
pub mod news;
pub mod places;
pub mod queues;
pub mod session;
pub mod size;

pub use byte_string::ByteString;
