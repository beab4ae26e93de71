//! A runner alone: the test plays daemon and client, and looks at what a job sees and leaves.

mod batch;
mod host;
mod leaders;
mod limits;
mod notices;
mod scenarios;
mod streams;
