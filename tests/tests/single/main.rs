//! Personal daemons without root and without namespaces: one user at one machine, or several
//! "hosts" that are directories and addresses of their own.

mod joining;
mod local;
mod login;
mod sharing;
mod starting;
