//! Tables that talk to each other over a virtual network.

mod chaos;
mod life;
mod merge;
mod net;
mod outside;
mod silence;
mod standing;
