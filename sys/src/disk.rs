//! The file system that a path is on.

use std::io;
use std::path::Path;

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// How large it is.
    pub bytes: u64,
    /// How much of it is free for this user.
    pub free: u64,
    /// How it is called, where other hosts have it too.
    pub network: Option<&'static str>,
}

/// The file system that `path` is on.
///
/// # Errors
/// There is no such path, or it cannot be reached.
pub fn file_system(path: &Path) -> io::Result<FileSystem> {
    let found = nix::sys::statfs::statfs(path)?;
    let block = found.block_size() as u64;
    Ok(FileSystem {
        bytes: found.blocks().saturating_mul(block),
        free: found.blocks_available().saturating_mul(block),
        // Sign and width of the number depend on the architecture; all that are meant have 32 bits.
        network: network(found.filesystem_type().0 as u32),
    })
}

/// The name of a network file system, by the number that the kernel gives its kind.
fn network(kind: u32) -> Option<&'static str> {
    KINDS.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

/// As in statfs(2) and linux/magic.h.
const KINDS: [(u32, &str); 13] = [
    (0x0000_517b, "SMB"),
    (0x0000_564c, "NCP"),
    (0x0000_6969, "NFS"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x0116_1970, "GFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x1983_0326, "BeeGFS"),
    (0x4750_4653, "GPFS"),
    (0x5346_414f, "AFS"),
    (0x7461_636f, "OCFS2"),
    (0xfe53_4d42, "SMB2"),
    (0xff53_4d42, "CIFS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network(0x6969), Some("NFS"));
        assert_eq!(network(0xff53_4d42), Some("CIFS"));
        assert_eq!(network(0xef53), None, "ext4");
        assert_eq!(network(0x0102_1994), None, "tmpfs");
    }

    #[test]
    fn the_file_system_of_proc_is_local_and_what_is_not_there_is_an_error() {
        assert_eq!(file_system(Path::new("/proc")).expect("it is there").network, None);
        let found = file_system(Path::new("/")).expect("it is there");
        assert!(found.bytes >= found.free);
        assert!(file_system(Path::new("/nowhere/at/all")).is_err());
    }
}
