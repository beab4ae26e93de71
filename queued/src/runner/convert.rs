//! The wire's words for what the kernel offers, and back.

use std::io;

use nix::errno::Errno;
use wire::api::{Refusal, RefusalKind};
use wire::session::{End, Outcome, Usage};

use wire::limits;

use crate::leader::message::{Ended, Limit};

/// A terminal's size for the kernel.
pub fn size(size: &wire::session::Size) -> sys::terminal::Size {
    let wire::session::Size { rows, columns, x_pixels, y_pixels } = *size;
    sys::terminal::Size { rows, columns, x_pixels, y_pixels }
}

/// A terminal's size for the wire.
pub fn wire_size(size: &sys::terminal::Size) -> wire::session::Size {
    let sys::terminal::Size { rows, columns, x_pixels, y_pixels } = *size;
    wire::session::Size { rows, columns, x_pixels, y_pixels }
}

/// A terminal's modes for the kernel.
pub fn modes(modes: &wire::session::Modes) -> sys::terminal::Modes {
    let wire::session::Modes { input, output, control, local, characters, input_speed, output_speed } = modes.clone();
    sys::terminal::Modes { input, output, control, local, characters, input_speed, output_speed }
}

/// The end of a job on this host for the client.
pub fn end(ended: &Ended, host: &str) -> End {
    let outcome = match ended.code {
        Some(code) => Outcome::Exited(code),
        None => Outcome::Killed { signal: sys::signal::name(ended.signal), core: ended.core },
    };
    let Ended { wall_us, user_us, system_us, max_rss_kib, .. } = *ended;
    End {
        outcome,
        usage: Usage { wall_us, user_us, system_us, max_rss_kib },
        incomplete: None,
        limit: ended.limit.map(|limit| limit_words(limit, host)),
    }
}

/// Why a job was ended, in words that follow "killed: ".
fn limit_words(limit: Limit, host: &str) -> String {
    match limit {
        Limit::Time { seconds } => format!("time limit {} on {host}", limits::length(seconds)),
        Limit::Memory { bytes, peak } => {
            format!("memory limit {} on {host}, peak {}", limits::size(bytes), limits::size(peak))
        }
    }
}

/// Why a job could not be started although everything had been checked before.
pub fn failure(stage: u8, errno: i32) -> Refusal {
    let error = Errno::from_raw(errno);
    let kind = match error {
        Errno::ENOENT => RefusalKind::NotFound,
        Errno::EACCES | Errno::ENOEXEC | Errno::EISDIR | Errno::ETXTBSY => RefusalKind::NotExecutable,
        _ => RefusalKind::Failed,
    };
    let what = sys::postfork::Stage::from_number(stage).map_or_else(|| "start".to_owned(), |stage| stage.to_string());
    Refusal { kind, message: format!("cannot start the job: {what}: {}", words(&error.into())) }
}

/// The kernel's words for an error, in the middle of a sentence.
pub fn words(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.kind().to_string(),
    };
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // "I/O error" and the like keep their capital.
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_like_a_part_of_a_sentence() {
        assert_eq!(words(&Errno::ENOENT.into()), "no such file or directory");
        assert_eq!(words(&Errno::EIO.into()), "I/O error");
        assert_eq!(words(&io::ErrorKind::IsADirectory.into()), "is a directory");
    }
}
