//! Suspending a job because its queue says so: the load, the hour, an admin. The whole tree stops, and only what was
//! stopped here goes on again: a job that its user has stopped stays stopped.
//!
//! The user is not told that his job has "stopped": his shell would take the terminal back.

use sys::process::Suspended;

/// The suspension of one job.
#[derive(Default)]
pub struct Suspension {
    suspended: Option<Suspended>,
    /// The end of a suspension still shows in what is reported of the first process.
    echoes: bool,
}

impl Suspension {
    /// Suspends the job, or lets it go on; nothing happens when it is so already.
    pub fn order(&mut self, yes: bool) {
        match (yes, &mut self.suspended) {
            (true, None) => {
                self.suspended = Some(Suspended::default());
                self.again();
            }
            (false, Some(suspended)) => {
                suspended.resume();
                self.suspended = None;
                self.echoes = true;
            }
            _ => {}
        }
    }

    /// Somebody else has let the whole tree go on.
    pub fn again(&mut self) {
        if let Some(suspended) = &mut self.suspended {
            // What cannot be seen cannot be stopped: the next order tries again.
            let own = nix::unistd::getpid().as_raw();
            let _ = suspended.suspend(own);
        }
    }

    /// Whether it is our doing that the first process stopped, or goes on; `was_stopped` is whether its user had
    /// stopped it.
    pub fn hides(&mut self, stops: bool, was_stopped: bool) -> bool {
        // One that its user has stopped was not touched: what comes of it is his.
        let echoes = std::mem::take(&mut self.echoes) && !stops && !was_stopped;
        echoes || self.suspended.is_some()
    }
}
