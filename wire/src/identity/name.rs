//! Whose a certificate is, and how that is written into it: `queue://CLUSTER/KIND/HOST/USER`, percent-encoded.

use std::fmt;

use super::encoding::from_hex;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One run of the client, with a key of its own.
    Client,
    /// The runner of one user on one host.
    Runner,
    /// The daemon of a host.
    Host,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Runner => "runner",
            Self::Host => "host",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Client, Self::Runner, Self::Host].into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whose a certificate is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// What it is for.
    pub kind: Kind,
    /// The cluster's name: the first 16 hexadecimal digits of the SHA-256 of its authority's public key.
    pub cluster: String,
    /// The host that it was made for.
    pub host: String,
    /// The user; empty for a host's daemon.
    pub user: String,
}

impl Identity {
    /// The name for the certificate.
    pub(super) fn to_uri(&self) -> String {
        let mut uri = format!("{SCHEME}{}/{}/", self.cluster, self.kind);
        escape(&self.host, &mut uri);
        uri.push('/');
        escape(&self.user, &mut uri);
        uri
    }

    /// The reverse of [`Identity::to_uri`]; `None` for any text that it does not write, so that no two names in
    /// certificates mean the same and none means something else to another reader.
    pub(super) fn from_uri(uri: &str) -> Option<Self> {
        let mut parts = uri.strip_prefix(SCHEME)?.split('/');
        let cluster = parts.next()?;
        from_hex::<8>(cluster)?;
        let identity = Self {
            cluster: cluster.to_owned(),
            kind: Kind::from_word(parts.next()?)?,
            host: unescape(parts.next()?)?,
            user: unescape(parts.next()?)?,
        };
        (identity.to_uri() == uri).then_some(identity)
    }
}

fn escape(name: &str, uri: &mut String) {
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => {
                uri.push('%');
                uri.push_str(&super::encoding::hex(&[byte]));
            }
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.extend(from_hex::<1>(digits)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

const SCHEME: &str = "queue://";

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(host: &str, user: &str) -> Identity {
        Identity { kind: Kind::Client, cluster: "0123456789abcdef".into(), host: host.into(), user: user.into() }
    }

    #[test]
    fn odd_names_survive() {
        let names =
            ["", " ", "/", "//", "%", "%2f", "..", "a b", "bücher", "名前", "new\nline", "\0", "a@b.c", "?#&", "~-._"];
        for host in names {
            for user in names {
                for kind in [Kind::Client, Kind::Runner, Kind::Host] {
                    let before = Identity { kind, ..identity(host, user) };
                    let uri = before.to_uri();
                    assert!(uri.is_ascii() && uri.bytes().filter(|byte| *byte == b'/').count() == 5, "{uri}");
                    assert_eq!(Identity::from_uri(&uri), Some(before), "{uri}");
                }
            }
        }
    }

    #[test]
    fn the_form_of_the_name_stays() {
        assert_eq!(identity("red fish", "al/ice").to_uri(), "queue://0123456789abcdef/client/red%20fish/al%2fice");
        assert_eq!(identity("redfish", "").to_uri(), "queue://0123456789abcdef/client/redfish/");
    }

    #[test]
    fn a_name_has_one_spelling() {
        for wrong in [
            "",
            "queue://",
            "queue://0123456789abcdef/client/redfish",
            "queue://0123456789abcdef/client/redfish/alice/",
            "queue://0123456789abcdef/client/redfish/alice/bob",
            "queue://0123456789abcdef/Client/redfish/alice",
            "queue://0123456789abcdef/root/redfish/alice",
            "queue://0123456789ABCDEF/client/redfish/alice",
            "queue://0123/client/redfish/alice",
            "queue:///client/redfish/alice",
            "Queue://0123456789abcdef/client/redfish/alice",
            "https://0123456789abcdef/client/redfish/alice",
            "queue://0123456789abcdef/client/red%66ish/alice",
            "queue://0123456789abcdef/client/redfish/al%2Fice",
            "queue://0123456789abcdef/client/redfish/alice%",
            "queue://0123456789abcdef/client/redfish/alice%2",
            "queue://0123456789abcdef/client/redfish/alice%é",
            "queue://0123456789abcdef/client/redfish/%ff",
            "queue://0123456789abcdef/client/red fish/alice",
            "queue://0123456789abcdef/client/redfish/alice\n",
        ] {
            assert_eq!(Identity::from_uri(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_names_survive(host in ".*", user in ".*") {
            let before = identity(&host, &user);
            assert_eq!(Identity::from_uri(&before.to_uri()), Some(before));
        }

        #[test]
        fn any_text_is_read_without_panic(rest in ".*") {
            let _ = Identity::from_uri(&rest);
            let _ = Identity::from_uri(&format!("queue://0123456789abcdef/client/{rest}"));
        }
    }
}
