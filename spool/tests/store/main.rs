//! What every store must do, tried on the one that there is: each test opens it, writes, and looks again with
//! another reader, or after it was opened anew.

mod after;
mod arrays;
mod changes;
mod copies;
mod forgetting;
mod golden;
mod past;
mod samples;
mod submissions;
