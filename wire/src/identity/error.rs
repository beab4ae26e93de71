//! What can be wrong with a certificate or a warrant, each in words for a person.
//!
//! Names that stand in a certificate come from outside and are escaped before they are shown.

use super::{Certificate, Kind, Warrant};

/// What is wrong with a certificate or a warrant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is not X.509, or has something in it that we do not take.
    #[error("this certificate cannot be read: {0}")]
    Unreadable(#[source] webpki::Error),
    /// Too many bytes.
    #[error("this certificate has {0} bytes, a certificate of queue {most} at most", most = Certificate::MOST_BYTES)]
    TooLarge(usize),
    /// It is good X.509, but does not name anybody as ours do.
    #[error("this is not a certificate of queue: it names nobody as queue://CLUSTER/KIND/HOST/USER")]
    Nameless,
    /// Its key is not Ed25519.
    #[error("this certificate is for another kind of key than Ed25519")]
    OtherKey,
    /// It is of another cluster.
    #[error("signed by another cluster ({theirs}), ours is {ours}")]
    OtherCluster {
        /// The cluster that it says it is of.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// It says that it is of our cluster, and is not.
    #[error("this certificate says that it is of our cluster ({0}), but the authority of the cluster did not sign it")]
    Forged(String),
    /// It is for another purpose.
    #[error("this is the certificate of a {found}, not of a {wanted}", wanted = alternatives(.wanted))]
    OtherKind {
        /// What it is.
        found: Kind,
        /// What it should be, one of these.
        wanted: Vec<Kind>,
    },
    /// It is of another host.
    #[error("this certificate belongs to host {found}, not {wanted}", found = shown(.found), wanted = shown(.wanted))]
    OtherHost {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// It is of another user.
    #[error("this certificate belongs to user {found}, not {wanted}", found = shown(.found), wanted = shown(.wanted))]
    OtherUser {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// Its time is over.
    #[error(
        "this certificate ended {ended} ago: if it was just made, the clock here is {ahead} ahead of the clock of the \
         host that made it",
        ended = duration(*.ended_s), ahead = duration(*.ahead_s)
    )]
    Stale {
        /// Seconds since its end.
        ended_s: u64,
        /// Difference of the clocks, if it was made just now.
        ahead_s: u64,
    },
    /// Its time has not come.
    #[error(
        "this certificate begins in {begins}: the clock here is at least {behind} behind the clock of the host that \
         made it",
        begins = duration(*.begins_s), behind = duration(*.behind_s)
    )]
    NotYet {
        /// Seconds to its beginning.
        begins_s: u64,
        /// Difference of the clocks, if it was made just now; more, if it was made before.
        behind_s: u64,
    },
    /// The warrant has no certificate.
    #[error("this warrant has no certificate, so nobody knows whose it is")]
    NoCertificate,
    /// The path is longer than that of any tree.
    #[error("the path of this warrant has {0} steps, {most} are the most", most = Warrant::MOST_STEPS)]
    PathTooLong(usize),
    /// The warrant is for another job.
    #[error("this warrant is not for this job, or the job was changed after it was signed")]
    OtherJob,
    /// The signature is not good.
    #[error("this warrant was not signed with the key of its certificate")]
    BadSignature,
}

/// "runner or a host"; the first article is in the sentence.
fn alternatives(kinds: &[Kind]) -> String {
    let words: Vec<String> = kinds.iter().map(Kind::to_string).collect();
    words.join(" or a ")
}

/// A name as it may be shown on a terminal.
fn shown(name: &str) -> String {
    if name.is_empty() {
        return "\"\"".to_owned();
    }
    let mut shown = String::with_capacity(name.len());
    for character in name.chars() {
        // escape_debug also escapes what changes the direction of writing or has no width.
        match character {
            '"' | '\'' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// A length of time in the one or two units that say enough.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 if !seconds.is_multiple_of(60) => format!("{} min {} s", seconds / 60, seconds % 60),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_for_people() {
        let host = IdentityError::OtherHost { found: "bluefish".into(), wanted: "redfish".into() };
        assert_eq!(host.to_string(), "this certificate belongs to host bluefish, not redfish");
        let kind = IdentityError::OtherKind { found: Kind::Client, wanted: vec![Kind::Runner, Kind::Host] };
        assert_eq!(kind.to_string(), "this is the certificate of a client, not of a runner or a host");
        let cluster = IdentityError::OtherCluster { theirs: "abcd".into(), ours: "0123".into() };
        assert_eq!(cluster.to_string(), "signed by another cluster (abcd), ours is 0123");
    }

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        let error = IdentityError::OtherUser { found: "\x1b[2Jroot\u{202e}".into(), wanted: String::new() };
        assert_eq!(error.to_string(), r#"this certificate belongs to user \u{1b}[2Jroot\u{202e}, not """#);
    }

    #[test]
    fn durations_have_the_units_that_matter() {
        let spoken = [0, 59, 60, 61, 599, 600, 3599, 3600, 86_399, 86_400, 200_000].map(duration);
        assert_eq!(
            spoken.join(", "),
            "0 s, 59 s, 1 min, 1 min 1 s, 9 min 59 s, 10 min, 59 min, 1 h 0 min, 23 h 59 min, 1 day, 2 days"
        );
    }
}
