//! Names of letters: the same report has the same one whenever and however often it is sent, so that
//! who reads it (or a filter) sees that a letter came twice.

use std::fmt::Write;

use super::{Attempt, Kind};

/// The Message-ID of a letter about one job.
pub fn of_one(cluster: &str, home: &str, kind: Kind, attempt: Attempt) -> String {
    format!("<job.{}.{}.{}.{}@{}>", attempt.job.0, attempt.number, kind.word(), atom(cluster), domain(home))
}

/// The Message-ID of a letter about these jobs, in their order.
pub fn of_many(cluster: &str, home: &str, kind: Kind, attempts: &[Attempt]) -> String {
    let mut named = String::new();
    for attempt in attempts {
        // Writing into a string cannot fail.
        let _ = write!(named, "{}.{},", attempt.job.0, attempt.number);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, named.as_bytes());
    let hash: String = digest.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let first = attempts.first().map_or(0, |attempt| attempt.job.0);
    format!("<jobs.{first}.{}.{hash}.{}.{}@{}>", attempts.len(), kind.word(), atom(cluster), domain(home))
}

/// The text with everything but letters, digits and hyphens written as `%XX`, so that two texts never
/// look the same.
fn atom(text: &str) -> String {
    encode(text, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The same with dots where a domain may have them.
fn domain(text: &str) -> String {
    if text.split('.').all(|part| !part.is_empty()) {
        encode(text, |byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
    } else {
        atom(text)
    }
}

fn encode(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::names::JobId;

    fn attempt(job: u64, number: u64) -> Attempt {
        Attempt { job: JobId(job), number }
    }

    #[test]
    fn one_report_has_one_name_and_another_report_another() {
        let name = |cluster, home, kind, job, number| of_one(cluster, home, kind, attempt(job, number));
        assert_eq!(name("ab12", "red.example.org", Kind::End, 17, 1), "<job.17.1.end.ab12@red.example.org>");
        let names = [
            name("ab", "red", Kind::End, 17, 1),
            name("ab", "red", Kind::Start, 17, 1),
            name("ab", "red", Kind::End, 17, 2),
            name("ab", "red", Kind::End, 1, 71),
            name("ab", "blue", Kind::End, 17, 1),
            name("a b", "red", Kind::End, 17, 1),
            name("a%20b", "red", Kind::End, 17, 1),
        ];
        let different: std::collections::HashSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }

    #[test]
    fn a_digest_is_named_by_all_its_jobs() {
        let name = |attempts: &[Attempt]| of_many("ab", "red", Kind::End, attempts);
        let all = [attempt(3, 1), attempt(4, 1), attempt(9, 2)];
        assert_eq!(name(&all), name(&all));
        assert_ne!(name(&all), name(&[attempt(3, 1), attempt(5, 1), attempt(9, 2)]));
        assert_ne!(name(&all), name(&[attempt(3, 1), attempt(4, 1), attempt(9, 3)]));
        assert!(name(&all).starts_with("<jobs.3.3."), "{}", name(&all));
    }

    #[test]
    fn nothing_odd_gets_into_a_name() {
        let name = of_one("x>\r\nBcc: y", "..", Kind::End, attempt(1, 1));
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic()), "{name}");
        assert!(!name.contains("..") && name.matches('>').count() == 1, "{name}");
    }
}
