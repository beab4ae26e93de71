//! `queue` as a person meets it: at a terminal, in an interactive shell, with job control.
//!
//! Each scenario is a promise and is kept in two places: on the own host, with a personal daemon
//! (module `own_host`, needs no root), and on another host (module `other_host`, feature `root`:
//! hosts are namespaces made by `configure-scripts/demo-cluster`). Most of them are also played
//! without queue, and what a person then sees must be the same, byte for byte of the screen.

/// Makes tests of scenarios, one for each place.
macro_rules! promises {
    ($($name:ident),* $(,)?) => {
        mod own_host {
            $(#[test]
            fn $name() {
                super::$name(&crate::place::Place::own_host());
            })*
        }

        #[cfg(feature = "root")]
        mod other_host {
            $(#[test]
            fn $name() {
                super::$name(&crate::place::Place::other_host());
            })*
        }
    };
}

mod applications;
mod attach;
mod escapes;
mod full_screen;
mod job_control;
#[cfg(feature = "root")]
mod link;
mod octave;
mod orphaned;
mod pipelines;
mod place;
mod processes;
mod redirected;
mod restoring;
mod same;
mod scripts;
mod shells;
mod window;
