//! Batch jobs from the person's side: submitting them, looking at them, changing them.

mod contents;
mod jobs;
pub mod keeping;
mod mail;
mod submit;

pub use jobs::{ask, ask_for, run as run_command};
pub use mail::run as read_mail;
pub use submit::run as submit;
