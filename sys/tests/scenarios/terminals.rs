//! Terminals: modes, size, and whose controlling terminal one is.

use std::os::fd::AsFd;

use sys::terminal::{self, Size};

use crate::harness::scenarios;
use crate::leader::Leader;

scenarios![
    only_the_own_terminal_is_controlling,
    without_a_terminal_there_is_no_controlling_one,
    modes_come_back_as_they_were_set,
    raw_modes_may_keep_signals_and_output,
    a_size_comes_back_as_it_was_set,
    output_is_never_missed,
];

fn only_the_own_terminal_is_controlling() {
    let leader = Leader::new();
    let other = sys::pty::open().unwrap();
    let (pipe, _) = sys::descriptors::pipe().unwrap();
    let same = terminal::controlling().unwrap();
    assert!(terminal::is_controlling(leader.pty.slave.as_fd()));
    assert!(terminal::is_controlling(same.as_fd()));
    for fd in [leader.pty.master.as_fd(), other.slave.as_fd(), other.master.as_fd(), pipe.as_fd()] {
        assert!(!terminal::is_controlling(fd));
    }
}

fn without_a_terminal_there_is_no_controlling_one() {
    sys::process::new_session().unwrap();
    let pty = sys::pty::open().unwrap();
    assert!(terminal::controlling().is_none(), "opening a pty took it");
    assert!(!terminal::is_controlling(pty.slave.as_fd()));
}

fn modes_come_back_as_they_were_set() {
    let pty = sys::pty::open().unwrap();
    let mut modes = terminal::modes(pty.slave.as_fd()).unwrap();
    assert_eq!(modes.output_speed, 38_400);
    assert_eq!(modes.characters.len(), 19);
    modes.local &= !(libc::ECHO | libc::ICANON);
    modes.input |= libc::IUTF8;
    modes.characters[libc::VINTR] = 0x1c;
    terminal::set_modes(pty.slave.as_fd(), &modes).unwrap();
    assert_eq!(terminal::modes(pty.slave.as_fd()).unwrap(), modes);
    assert_eq!(terminal::modes(pty.master.as_fd()).unwrap(), modes);
    // Too many or too few characters, from another system, do no harm.
    let mut odd = modes.clone();
    odd.characters = vec![0x1c; 40];
    terminal::set_modes(pty.slave.as_fd(), &odd).unwrap();
    odd.characters = Vec::new();
    terminal::set_modes(pty.slave.as_fd(), &odd.raw(false)).unwrap();
}

fn raw_modes_may_keep_signals_and_output() {
    let pty = sys::pty::open().unwrap();
    let modes = terminal::modes(pty.slave.as_fd()).unwrap();
    let (all, kept) = (modes.raw(false), modes.raw(true));
    assert_eq!(all.local & (libc::ICANON | libc::ECHO | libc::IEXTEN | libc::ISIG), 0);
    assert_eq!(all.output & libc::OPOST, 0);
    assert_eq!(all.input & (libc::ICRNL | libc::IXON), 0);
    assert_eq!((all.characters[libc::VMIN], all.characters[libc::VTIME]), (1, 0));
    assert_ne!(kept.local & libc::ISIG, 0);
    assert_eq!(kept.output, modes.output);
    assert_eq!(kept.input, all.input);
}

fn a_size_comes_back_as_it_was_set() {
    let pty = sys::pty::open().unwrap();
    assert_eq!(terminal::size(pty.slave.as_fd()).unwrap(), Size::default());
    let size = Size { rows: 50, columns: 132, x_pixels: 1_320, y_pixels: 1_000 };
    terminal::set_size(pty.master.as_fd(), &size).unwrap();
    assert_eq!(terminal::size(pty.slave.as_fd()).unwrap(), size);
}

fn output_is_never_missed() {
    let pty = sys::pty::open().unwrap();
    let modes = terminal::modes(pty.slave.as_fd()).unwrap();
    terminal::set_modes(pty.slave.as_fd(), &modes.raw(false)).unwrap();
    assert_eq!(terminal::unread_output(pty.master.as_fd()).unwrap(), 0);
    for length in [1, 12, 4_000, 6_000] {
        let text = vec![b'x'; length];
        assert_eq!(nix::unistd::write(&pty.slave, &text), Ok(length));
        let mut read = 0;
        // Asked at once, not some time later: what was written is there until zero is said.
        while terminal::unread_output(pty.master.as_fd()).unwrap() > 0 {
            read += nix::unistd::read(&pty.master, &mut [0; 4096]).unwrap();
        }
        assert_eq!(read, length);
    }
}
