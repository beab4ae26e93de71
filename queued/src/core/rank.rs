//! How good would a start be on this host? The lowest rank wins. The paper is
//! `docs/scheduler.md`; `bench/simulate` judges it.

/// Which formula ranks the hosts of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RankRule {
    /// The expected share of a CPU, turned over: `max(1, (r + p + 1) / CPUs) / speed`.
    #[default]
    Share,
    /// GNU Queue's formula as it was written, for profiles that set one of its two figures:
    /// `(load1 + 1) / ((max(0, vmaxexec - nexec) + 1) * pfactor)`.
    VirtualLoad {
        /// The host's power relative to the others.
        pfactor: f64,
        /// Below this many running jobs the load counts for less; `None`: the CPUs.
        vmaxexec: Option<u32>,
    },
}

impl RankRule {
    /// The rule of a profile, with GNU Queue's defaults (`pfactor` 1, `vmaxexec` as
    /// `maxexec`) where only one of the two is set.
    pub fn of_profile(pfactor: Option<f64>, vmaxexec: Option<u32>, maxexec: Option<u32>) -> Self {
        match (pfactor, vmaxexec) {
            (None, None) => Self::Share,
            _ => Self::VirtualLoad { pfactor: pfactor.unwrap_or(1.0), vmaxexec: vmaxexec.or(maxexec) },
        }
    }
}

/// What the rank of a host is made of.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// Tasks that want a CPU: `r + p`, what is measured and what it cannot show yet.
    pub busy: f64,
    /// CPUs that jobs may use.
    pub cpus: u32,
    /// Speed relative to the other hosts.
    pub speed: f64,
    /// The kernel's load average over one minute.
    pub load1: f64,
    /// Jobs of the queue that run there.
    pub running: u32,
}

impl Figures {
    /// The rank by `rule`, before the start that is asked about.
    pub fn rank(&self, rule: RankRule) -> f64 {
        match rule {
            RankRule::Share => ((self.busy.max(0.0) + 1.0) / self.cpus()).max(1.0) / self.speed(),
            RankRule::VirtualLoad { pfactor, vmaxexec } => {
                let room = vmaxexec.unwrap_or(self.cpus).saturating_sub(self.running);
                (self.load1.max(0.0) + 1.0) / ((f64::from(room) + 1.0) * positive(pfactor))
            }
        }
    }

    /// The part of its CPUs that is free, in whole CPUs: a trace of background load does not
    /// make an idle host worse than another.
    pub fn spare(&self) -> f64 {
        (self.cpus() - self.busy.max(0.0)).round().max(0.0) / self.cpus()
    }

    fn cpus(&self) -> f64 {
        f64::from(self.cpus.max(1))
    }

    fn speed(&self) -> f64 {
        positive(self.speed)
    }

    /// How many tasks want a CPU, concluded from a rank by [`RankRule::Share`]; `None` where
    /// the rank says only that a CPU is free.
    pub fn busy_of_share(rank: f64, cpus: u32, speed: f64) -> Option<f64> {
        let share = rank * positive(speed);
        (share > 1.0 + 1e-9).then(|| share * f64::from(cpus.max(1)) - 1.0)
    }
}

/// Figures come from outside: what makes no sense counts as 1.
fn positive(figure: f64) -> f64 {
    if figure.is_finite() && figure > 0.0 { figure } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(cpus: u32, busy: f64) -> Figures {
        Figures { busy, cpus, speed: 1.0, load1: busy, running: busy as u32 }
    }

    #[test]
    fn any_host_with_a_free_cpu_is_as_good_as_an_idle_one() {
        assert_eq!(host(4, 0.0).rank(RankRule::Share), 1.0);
        assert_eq!(host(64, 63.0).rank(RankRule::Share), 1.0);
        assert_eq!(host(4, 4.0).rank(RankRule::Share), 1.25);
    }

    #[test]
    fn an_idle_small_host_beats_a_large_one_that_is_overloaded() {
        assert!(host(4, 0.0).rank(RankRule::Share) < host(64, 200.0).rank(RankRule::Share));
    }

    #[test]
    fn a_fast_host_may_be_a_little_overloaded_and_still_be_better() {
        let fast = Figures { speed: 2.0, ..host(4, 5.0) };
        assert!(fast.rank(RankRule::Share) < host(4, 0.0).rank(RankRule::Share));
    }

    #[test]
    fn virtual_load_is_the_example_of_the_manual() {
        let rule = RankRule::of_profile(Some(100.0), Some(2), None);
        let ranks = [0, 1, 2, 3].map(|running| Figures { running, ..host(1, 0.0) }.rank(rule));
        assert_eq!(ranks, [1.0 / 300.0, 1.0 / 200.0, 1.0 / 100.0, 1.0 / 100.0]);
    }

    #[test]
    fn a_profile_without_either_figure_gets_the_share() {
        assert_eq!(RankRule::of_profile(None, None, Some(3)), RankRule::Share);
        assert_eq!(
            RankRule::of_profile(Some(2.0), None, Some(3)),
            RankRule::VirtualLoad { pfactor: 2.0, vmaxexec: Some(3) }
        );
        assert_eq!(
            RankRule::of_profile(None, Some(5), None),
            RankRule::VirtualLoad { pfactor: 1.0, vmaxexec: Some(5) }
        );
    }

    #[test]
    fn nonsense_from_outside_gives_a_number() {
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let rank = Figures { busy: f64::NAN, cpus: 0, speed, load1: -3.0, running: 9 };
            assert!(rank.rank(RankRule::Share).is_finite());
            assert!(rank.rank(RankRule::of_profile(Some(speed), None, None)).is_finite());
            assert!(rank.spare().is_finite());
        }
    }

    #[test]
    fn background_noise_does_not_make_an_idle_host_worse() {
        assert_eq!(host(4, 0.3).spare(), host(64, 0.0).spare());
        assert!(host(4, 0.6).spare() < host(64, 0.0).spare());
    }

    #[test]
    fn an_overloaded_rank_tells_how_many_run() {
        assert_eq!(Figures::busy_of_share(host(4, 9.0).rank(RankRule::Share), 4, 1.0), Some(9.0));
        assert_eq!(Figures::busy_of_share(1.0, 4, 1.0), None);
    }
}
