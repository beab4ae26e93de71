//! Who is at the other end of a socket, who this process is, and becoming somebody else.
//!
//! Names come from NSS, which may load libraries and talk to servers: only a process that may
//! block for that asks for them, never the client and never a leader.

use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid, User};

/// The process that connected (or listens) at the other end, as it was at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its process id; 0 if it lies outside our pid name space. Not proof of identity: it may
    /// have ended and the number may have been given away again.
    pub pid: i32,
    /// Its effective user id.
    pub uid: u32,
    /// Its effective group id.
    pub gid: u32,
}

/// Who is at the other end of a connected unix socket.
pub fn peer(socket: BorrowedFd) -> io::Result<Peer> {
    let credentials = getsockopt(&socket, sockopt::PeerCredentials)?;
    Ok(Peer { pid: credentials.pid(), uid: credentials.uid(), gid: credentials.gid() })
}

/// The effective user id of this process.
pub fn own_uid() -> u32 {
    Uid::effective().as_raw()
}

/// The login name of a user, from NSS; `None` if there is no such user or nobody can say.
pub fn user_name(uid: u32) -> Option<String> {
    let user = User::from_uid(Uid::from_raw(uid)).ok()??;
    Some(user.name)
}

/// The uid behind a login name, from NSS; `None` if there is no such user or nobody can say.
pub fn uid_of(name: &str) -> Option<u32> {
    User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

/// The names of a user's groups, from NSS; a group without a name is its number.
pub fn group_names(uid: u32) -> Vec<String> {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else { return Vec::new() };
    let Ok(name) = CString::new(user.name) else { return Vec::new() };
    let groups = nix::unistd::getgrouplist(&name, user.gid).unwrap_or_else(|_| vec![user.gid]);
    let name = |gid: Gid| match Group::from_gid(gid) {
        Ok(Some(group)) => group.name,
        _ => gid.to_string(),
    };
    groups.into_iter().map(name).collect()
}

/// The home directory of a user, from NSS.
pub fn home_directory(uid: u32) -> Option<PathBuf> {
    let user = User::from_uid(Uid::from_raw(uid)).ok()??;
    Some(user.dir)
}

/// Becomes the user for good: groups, then group, then user; verified that there is no way back.
///
/// Supplementary groups are those of the user's name if it has one, else none. After an error
/// the process is somewhere in between and must end. A process that already is that user with
/// all its ids (and is not root) keeps its groups, which it could not change anyway.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    if uid != 0 && is_only(user, group)? {
        return Ok(());
    }
    match User::from_uid(user).ok().flatten() {
        Some(known) => nix::unistd::initgroups(&CString::new(known.name)?, group)?,
        None => nix::unistd::setgroups(&[])?,
    }
    nix::unistd::setresgid(group, group, group)?;
    nix::unistd::setresuid(user, user, user)?;

    if !is_only(user, group)? {
        return Err(io::Error::other("the kernel kept an id of the former user"));
    }
    if uid != 0 && (nix::unistd::setuid(Uid::from_raw(0)).is_ok() || may_change_groups()) {
        return Err(io::Error::other("the former privileges can be regained"));
    }
    Ok(())
}

/// Whether real, effective and saved ids are all the given ones.
fn is_only(user: Uid, group: Gid) -> io::Result<bool> {
    let users = nix::unistd::getresuid()?;
    let groups = nix::unistd::getresgid()?;
    Ok([users.real, users.effective, users.saved] == [user; 3]
        && [groups.real, groups.effective, groups.saved] == [group; 3])
}

/// Whether this process still holds the capability to take any group: setting the groups it
/// already has is harmless and needs that capability all the same.
fn may_change_groups() -> bool {
    match nix::unistd::getgroups() {
        Ok(groups) => nix::unistd::setgroups(&groups).is_ok(),
        Err(_) => true,
    }
}
