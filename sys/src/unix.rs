//! Unix sockets in the abstract name space.
//!
//! Such a name has no file, vanishes with its listener and is visible to everybody in the same
//! network name space: whoever connects must check the peer with [`crate::credentials::peer`].

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

/// Listens on an abstract name (without the leading zero byte).
pub fn abstract_listener(name: &[u8]) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}

/// Connects to an abstract name.
pub fn abstract_connect(name: &[u8]) -> io::Result<UnixStream> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)
}

/// The abstract names with the given prefix on which somebody listens, sorted.
///
/// A name with zero bytes inside cannot be told from one with `@` in their place, since the
/// kernel prints them so; one with a line break is not found. Anybody may have made any of
/// these names.
pub fn abstract_names(prefix: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    Ok(parse(&std::fs::read("/proc/net/unix")?, prefix))
}

/// Takes the listening abstract names out of the text of `/proc/net/unix`.
fn parse(table: &[u8], prefix: &[u8]) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = table
        .split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(listening_name)
        .filter(|name| name.starts_with(prefix))
        .map(<[u8]>::to_vec)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The abstract name of one line `Num: RefCount Protocol Flags Type St Inode Path`, if the
/// socket has one and listens.
fn listening_name(line: &[u8]) -> Option<&[u8]> {
    let mut rest = line;
    let mut flags = 0;
    for column in 0..7 {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| *byte == b' ')?;
        if column == 3 {
            flags = u32::from_str_radix(str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        }
        rest = &rest[end..];
    }
    let name = rest.strip_prefix(b" @")?;
    (flags & ACCEPTS_CONNECTIONS != 0).then_some(name)
}

/// `__SO_ACCEPTCON` of the kernel: the socket listens.
const ACCEPTS_CONNECTIONS: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 101 @queue/leader 2
0000000000000000: 00000002 00000000 00010000 0001 01    99 /run/queue/file
0000000000000000: 00000003 00000000 00000000 0001 03 102 @queue/connected
0000000000000000: 00000002 00000000 00010000 0001 01 103 @queue/leader 1
0000000000000000: 00000003 00000000 00000000 0001 03 104
0000000000000000: 00000002 00000000 00010000 0001 01 105 @other
half a line @queue/x
0000000000000000: 00000002 00000000 zz 0001 01 105 @queue/y
";

    #[test]
    fn only_listening_abstract_names_are_taken() {
        let found = parse(TABLE, b"queue/");
        assert_eq!(found, [b"queue/leader 1".to_vec(), b"queue/leader 2".to_vec()]);
        assert_eq!(parse(TABLE, b"").len(), 3);
        assert_eq!(parse(b"", b"").len(), 0);
    }
}
