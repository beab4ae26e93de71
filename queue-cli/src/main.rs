//! stub
mod arguments; mod cluster; mod daemon; mod description; mod environment; mod escape; mod failure; mod hosts; mod http; mod job; mod job_control; mod modes; mod newlines; mod place; mod table; mod terminal; mod waiting;
fn main() {}
