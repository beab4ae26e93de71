//! The states of a job and of an attempt, one step at a time: the tables of the crate's
//! document cell by cell, and the promises as short stories.

mod names;
mod nonsense;
mod promises;
mod samples;
mod table;
