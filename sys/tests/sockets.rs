//! Promises about abstract names and TCP options.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt};
use sys::{tcp, unix};

#[test]
fn only_listening_names_with_the_prefix_are_listed() {
    let own = format!("queue-test-{}-", std::process::id()).into_bytes();
    let named = |rest: &str| [own.as_slice(), rest.as_bytes()].concat();
    assert_eq!(unix::abstract_names(&own).unwrap(), Vec::<Vec<u8>>::new());

    let second = unix::abstract_listener(&named("b with space")).unwrap();
    let _first = unix::abstract_listener(&named("a")).unwrap();
    // A connection of a listener has its name too, and must not count twice.
    let _client = unix::abstract_connect(&named("b with space")).unwrap();
    let (_served, _) = second.accept().unwrap();
    assert_eq!(unix::abstract_names(&own).unwrap(), [named("a"), named("b with space")]);

    drop(second);
    assert_eq!(unix::abstract_names(&own).unwrap(), [named("a")]);
    assert_eq!(unix::abstract_names(b"queue-test-no-such").unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_name_is_taken_once() {
    let name = format!("queue-test-once-{}", std::process::id()).into_bytes();
    let _first = unix::abstract_listener(&name).unwrap();
    let error = unix::abstract_listener(&name).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn peeking_consumes_nothing() {
    let (mut near, mut far) = connection();
    near.write_all(b"hello").unwrap();
    let mut buffer = [0; 16];
    for _ in 0..2 {
        let length = tcp::peek(far.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hello");
    }
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

#[test]
fn options_are_set() {
    let (near, _far) = connection();
    tcp::keepalive(near.as_fd(), 5, 1, 3).unwrap();
    tcp::for_session(near.as_fd()).unwrap();
    assert!(getsockopt(&near, sockopt::KeepAlive).unwrap());
    assert_eq!(getsockopt(&near, sockopt::TcpKeepIdle).unwrap(), 5);
    assert_eq!(getsockopt(&near, sockopt::TcpKeepInterval).unwrap(), 1);
    assert_eq!(getsockopt(&near, sockopt::TcpKeepCount).unwrap(), 3);
    assert_eq!(getsockopt(&near, sockopt::TcpUserTimeout).unwrap(), 8_000);
    assert!(getsockopt(&near, sockopt::TcpNoDelay).unwrap());
}

/// The peer's kernel acknowledges also what its program has not read.
#[test]
fn a_peer_that_is_there_owes_nothing_for_long() {
    let (mut near, _far) = connection();
    assert_eq!(tcp::owed(near.as_fd()).unwrap(), None);
    near.write_all(b"hello").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while tcp::owed(near.as_fd()).unwrap().is_some() {
        assert!(std::time::Instant::now() < deadline, "never acknowledged");
        std::thread::yield_now();
    }
}

/// With a low mark a socket whose peer reads nothing stops being writable early.
#[test]
fn little_waits_unsent_in_a_session() {
    let (near, _far) = connection();
    tcp::notsent_lowat(near.as_fd(), 16 * 1024).unwrap();
    near.set_nonblocking(true).unwrap();
    let unsent = || {
        let mut ends = [nix::poll::PollFd::new(near.as_fd(), nix::poll::PollFlags::POLLOUT)];
        nix::poll::poll(&mut ends, 0u8).unwrap() == 0
    };
    let mut taken = 0;
    while !unsent() {
        taken += (&near).write(&[0; 4096]).unwrap();
        assert!(taken < 64 << 20, "always writable");
    }
    // What the peer's window took is sent; beyond it hardly more than the mark.
    let error_or_more = (&near).write(&[0; 4096]);
    assert!(error_or_more.is_ok(), "the buffer itself is full: the mark had no effect");
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    (near, far)
}
