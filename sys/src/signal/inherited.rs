//! Which signals were ignored when this program started.
//!
//! `nohup` works by that, and it must work across hosts. In main it is too late to ask: the Rust
//! runtime has made SIGPIPE ignored by then.

use std::sync::atomic::{AtomicU64, Ordering};

use super::action::Action;
use super::{LAST, name};

/// The signals that this program was started with as ignored, by name, in order of number.
///
/// As inherited: what the Rust runtime or the program itself changed since does not show.
pub fn ignored_at_start() -> Vec<String> {
    let ignored = IGNORED_AT_START.load(Ordering::Relaxed);
    (1..=LAST).filter(|number| ignored & bit(*number) != 0).map(name).collect()
}

const fn bit(number: i32) -> u64 {
    1 << (number - 1)
}

/// Bit n-1 is signal n. Written once, before main.
static IGNORED_AT_START: AtomicU64 = AtomicU64::new(0);

/// The C library calls this before main, and so before the Rust runtime ignores SIGPIPE.
#[used]
// SAFETY: the section holds pointers to functions of the C calling convention, and is one. The
// function only asks the kernel and stores a number: nothing of Rust needs to be ready for it.
#[unsafe(link_section = ".init_array")]
static REMEMBER_IGNORED: extern "C" fn() = remember_ignored;

extern "C" fn remember_ignored() {
    let mut ignored = 0;
    for number in 1..=LAST {
        if Action::present(number).is_some_and(|action| action.is_ignore()) {
            ignored |= bit(number);
        }
    }
    IGNORED_AT_START.store(ignored, Ordering::Relaxed);
}
