//! Batch jobs from the person's side: submitting them, looking at them, changing them.

mod contents;
mod jobs;
mod mail;
mod submit;

pub use jobs::run as run_command;
pub use mail::run as read_mail;
pub use submit::run as submit;
