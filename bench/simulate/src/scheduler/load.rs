//! The load as a host reads it: once a second, at its own moment.

use queued::core::time::Millis;

/// Which readings a host has made. A reading that equals the one before says nothing new, so
/// only the first after each change is made.
#[derive(Debug)]
pub struct Readings {
    /// The part of a second at which this host reads.
    phase: f64,
    /// When the number of running jobs changed, if it was not read since.
    changed: Option<f64>,
}

impl Readings {
    pub fn new(phase: f64) -> Self {
        Self { phase, changed: None }
    }

    /// The number of jobs changes now; it was `before` until now. Gives the reading that was
    /// made in between, if one was.
    pub fn changes(&mut self, now: f64, before: u32) -> Option<(Millis, f64)> {
        let reading = self.before(now, before);
        self.changed = Some(now);
        reading
    }

    /// The reading that was made since the last change, with `running` jobs.
    pub fn before(&mut self, now: f64, running: u32) -> Option<(Millis, f64)> {
        let at = (self.changed? - self.phase).ceil() + self.phase;
        (at <= now).then(|| {
            self.changed = None;
            (millis(at), f64::from(running))
        })
    }
}

/// Seconds of the simulation as the core is told them.
pub fn millis(seconds: f64) -> Millis {
    Millis((seconds * 1000.0) as u64)
}
