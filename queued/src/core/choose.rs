//! Which host is meant, and which is best?
//!
//! Names are those of the table of hosts, never of DNS: the full name or an unambiguous
//! first label, whatever the case.

use wire::api::{HostChoice, Refusal, RefusalKind};

use super::names::HostName;
use super::random::Random;
use super::rank::{Figures, RankRule};

/// A host that may take the start, judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The caller's number for the host.
    pub host: usize,
    /// Its rank; the lowest wins.
    pub rank: f64,
    /// The largest wins among equal ranks: the part of its CPUs that is free, or how fresh
    /// the word about it is.
    pub merit: f64,
}

/// The best host and the one that would be next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// The host to ask.
    pub best: Candidate,
    /// The host that sets the rank to compare with; `None` when there is no other.
    pub runner_up: Option<Candidate>,
}

impl Candidate {
    fn is_better_than(&self, other: &Candidate) -> Option<bool> {
        if (self.rank - other.rank).abs() > SAME * other.rank.abs() {
            Some(self.rank < other.rank)
        } else if (self.merit - other.merit).abs() > SAME {
            Some(self.merit > other.merit)
        } else {
            None
        }
    }
}

/// The best two of `candidates`: lowest rank, then largest merit, then at random.
pub fn best_two(candidates: impl IntoIterator<Item = Candidate>, random: &mut Random) -> Option<Choice> {
    let mut candidates = candidates.into_iter();
    let mut best = candidates.next()?;
    let mut runner_up: Option<Candidate> = None;
    // How many were equal to the best so far: each of them is chosen with the same chance.
    let mut equals = 1;
    for candidate in candidates {
        // Most of a large cluster is clearly worse than the best two: one comparison for those.
        if runner_up.is_some_and(|second| candidate.rank > second.rank * (1.0 + SAME)) {
            continue;
        }
        match candidate.is_better_than(&best) {
            Some(true) => {
                runner_up = Some(std::mem::replace(&mut best, candidate));
                equals = 1;
            }
            Some(false) => {
                if runner_up.is_none_or(|second| candidate.is_better_than(&second) == Some(true)) {
                    runner_up = Some(candidate);
                }
            }
            None => {
                equals += 1;
                let wins = random.below(equals) == 0;
                runner_up = Some(if wins { std::mem::replace(&mut best, candidate) } else { candidate });
            }
        }
    }
    Some(Choice { best, runner_up })
}

/// What the person asked for, with names replaced by those of the table.
pub fn resolve(choice: &HostChoice, known: &[HostName]) -> Result<HostChoice, Refusal> {
    Ok(match choice {
        HostChoice::Any => HostChoice::Any,
        HostChoice::Only(name) => HostChoice::Only(host_named(name, known)?.to_string()),
        HostChoice::Rather(name) => HostChoice::Rather(host_named(name, known)?.to_string()),
    })
}

/// The host that `name` means: a full name, else a first label that only one host has.
pub fn host_named<'a>(name: &str, known: &'a [HostName]) -> Result<&'a HostName, Refusal> {
    if let Some(host) = known.iter().find(|host| host.as_str().eq_ignore_ascii_case(name)) {
        return Ok(host);
    }
    let mut meant: Vec<&HostName> = known.iter().filter(|host| first_label(host).eq_ignore_ascii_case(name)).collect();
    meant.sort();
    match meant[..] {
        [host] => Ok(host),
        [] => Err(usage(format!("no host named \"{name}\"; known: {}", list(known.iter())))),
        _ => Err(usage(format!("\"{name}\" is more than one host: {}", list(meant.into_iter())))),
    }
}

/// Whether a host is meant by an entry of a job's list: its name or first label, or a pattern of them with
/// `*` for any text and `?` for one letter.
pub fn fits(entry: &str, host: &str) -> bool {
    let label = host.split('.').next().unwrap_or_default();
    [host, label].into_iter().any(|name| glob(entry.as_bytes(), name.as_bytes()))
}

/// Goes back only to the last star: every earlier one has matched as little as it can.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text, mut star) = (0, 0, None);
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(letter) if *letter == b'?' || letter.eq_ignore_ascii_case(&text[in_text]) => {
                at += 1;
                in_text += 1;
            }
            _ => match star {
                Some((before, from)) => {
                    star = Some((before, from + 1));
                    (at, in_text) = (before + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

/// One line for `--verbose`: why this host, in numbers of the moment it was asked.
pub fn reason(rule: RankRule, chosen: &Figures, runner_up: Option<(&HostName, &Figures)>) -> String {
    let chosen_words = match rule {
        RankRule::Share => format!("{:.2} of {} CPUs busy", chosen.busy, chosen.cpus),
        RankRule::VirtualLoad { .. } => format!("virtual load {:.4}", chosen.rank(rule)),
    };
    let runner_up_words = runner_up.map(|(host, figures)| match rule {
        RankRule::Share => format!("{host} was {:.2}", figures.busy),
        RankRule::VirtualLoad { .. } => format!("{host} was {:.4}", figures.rank(rule)),
    });
    [Some(chosen_words), runner_up_words].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn first_label(host: &HostName) -> &str {
    host.as_str().split('.').next().unwrap_or_default()
}

fn list<'a>(hosts: impl Iterator<Item = &'a HostName>) -> String {
    let mut names: Vec<&str> = hosts.map(HostName::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

fn usage(message: String) -> Refusal {
    Refusal { message, kind: RefusalKind::Usage }
}

/// Figures closer than this are the same.
const SAME: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(host: usize, rank: f64, merit: f64) -> Candidate {
        Candidate { host, rank, merit }
    }

    fn known() -> Vec<HostName> {
        ["twofish", "redfish", "bluefish.lab.example", "onefish", "onefish.lab", "carp.a", "carp.b"]
            .map(HostName::from)
            .to_vec()
    }

    #[test]
    fn an_entry_is_a_name_or_a_pattern() {
        for (entry, host) in [
            ("redfish", "redfish"),
            ("RedFish", "redfish.lab.org"),
            ("redfish.lab.org", "redfish.lab.org"),
            ("red*", "redfish"),
            ("*fish", "redfish"),
            ("n?de*1", "node-a-1"),
            ("*", "x"),
        ] {
            assert!(fits(entry, host), "{entry} {host}");
        }
        for (entry, host) in
            [("red", "redfish"), ("fish*", "redfish"), ("node1", "node10"), ("node?", "node"), ("", "x")]
        {
            assert!(!fits(entry, host), "{entry} {host}");
        }
    }

    #[test]
    fn rank_comes_before_merit() {
        let hosts = [candidate(0, 1.5, 0.9), candidate(1, 1.0, 0.1), candidate(2, 1.0, 0.5), candidate(3, 2.0, 0.0)];
        let choice = best_two(hosts, &mut Random::new(1)).unwrap();
        assert_eq!((choice.best.host, choice.runner_up.unwrap().host), (2, 1));
        assert_eq!(best_two([], &mut Random::new(1)), None);
        assert_eq!(best_two(hosts[..1].to_vec(), &mut Random::new(1)).unwrap().runner_up, None);
    }

    #[test]
    fn equals_are_chosen_equally_often() {
        let mut random = Random::new(7);
        let mut chosen = [0; 5];
        for _ in 0..5000 {
            let hosts = (0..5).map(|host| candidate(host, if host == 2 { 1.1 } else { 1.0 }, 1.0));
            let choice = best_two(hosts, &mut random).unwrap();
            assert_eq!(choice.runner_up.unwrap().rank, 1.0);
            chosen[choice.best.host] += 1;
        }
        assert_eq!(chosen[2], 0);
        assert!([0, 1, 3, 4].iter().all(|&host| (1100..1400).contains(&chosen[host])), "{chosen:?}");
    }

    #[test]
    fn a_name_is_the_full_name_or_an_unambiguous_first_label() {
        let known = known();
        let name = |name| host_named(name, &known).map(|host| host.to_string()).map_err(|refusal| refusal.message);
        assert_eq!(name("RedFish"), Ok("redfish".into()));
        assert_eq!(name("bluefish"), Ok("bluefish.lab.example".into()));
        assert_eq!(name("BLUEFISH.lab.EXAMPLE"), Ok("bluefish.lab.example".into()));
        assert_eq!(name("onefish"), Ok("onefish".into()), "a full name wins over a first label");
        assert_eq!(name("carp"), Err("\"carp\" is more than one host: carp.a carp.b".into()));
        assert!(name("bluefish.lab").is_err() && name("").is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let known = ["twofish", "redfish", "bluefish", "onefish"].map(HostName::from);
        let refusal = resolve(&HostChoice::Only("gold".into()), &known).unwrap_err();
        assert_eq!(refusal.message, "no host named \"gold\"; known: bluefish onefish redfish twofish");
        assert_eq!(refusal.kind, RefusalKind::Usage);
    }

    #[test]
    fn the_reason_names_both() {
        let chosen = Figures { busy: 0.12, cpus: 8, speed: 1.0, ..Figures::default() };
        let other = Figures { busy: 0.97, cpus: 4, speed: 1.0, ..Figures::default() };
        let redfish = HostName::from("redfish");
        assert_eq!(reason(RankRule::Share, &chosen, Some((&redfish, &other))), "0.12 of 8 CPUs busy; redfish was 0.97");
        assert_eq!(reason(RankRule::Share, &chosen, None), "0.12 of 8 CPUs busy");
    }
}
