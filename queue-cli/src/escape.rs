//! The escapes of a full terminal session: `~` at the start of a line.
//!
//! | typed | does |
//! |---|---|
//! | `~.` | ends the client; the job is hung up |
//! | `~d` | leaves the job running and ends the client |
//! | `~^Z` | suspends the client alone; the job runs on |
//! | `~?` | shows this table |
//! | `~~` | one `~` |
//! | `~` and anything else | both, as typed |
//!
//! They are recognised only when all three descriptors are the terminal, because only then
//! is every byte typed meant for the job.

/// What a person asked the client itself to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `~.`
    End,
    /// `~d`
    Detach,
    /// `~^Z`
    Suspend,
    /// `~?`
    Help,
}

/// Watches what is typed. A new one stands at the start of a line.
#[derive(Debug, Default)]
pub struct Escapes {
    place: Place,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    LineStart,
    Tilde,
    Line,
}

impl Escapes {
    /// Takes `typed` up to the first command and appends what is for the job to `job`, which
    /// grows by at most one byte more than was taken. Returns how many bytes were taken and
    /// the command that ended it.
    pub fn take(&mut self, typed: &[u8], job: &mut Vec<u8>) -> (usize, Option<Command>) {
        for (index, &byte) in typed.iter().enumerate() {
            if self.place == Place::Tilde {
                // After a command the cursor is where it was: at the start of a line.
                self.place = Place::LineStart;
                let command = match byte {
                    b'.' => Some(Command::End),
                    b'd' => Some(Command::Detach),
                    CONTROL_Z => Some(Command::Suspend),
                    b'?' => Some(Command::Help),
                    _ => None,
                };
                if command.is_some() {
                    return (index + 1, command);
                }
                job.push(b'~');
                if byte == b'~' {
                    self.place = Place::Line;
                    continue;
                }
            } else if self.place == Place::LineStart && byte == b'~' {
                self.place = Place::Tilde;
                continue;
            }
            job.push(byte);
            self.place = match byte {
                b'\r' | b'\n' => Place::LineStart,
                _ => Place::Line,
            };
        }
        (typed.len(), None)
    }
}

/// What `~?` shows, line by line.
pub const HELP: &[&str] = &[
    "escapes, at the start of a line:",
    "  ~.   end queue; the job is hung up",
    "  ~d   detach: end queue; the job runs on (queue attach)",
    "  ~^Z  suspend queue alone; the job runs on",
    "  ~~   one ~",
    "  ~?   this",
];

const CONTROL_Z: u8 = 0x1a;

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `typed` in two pieces cut at `cut`; what the job got and the commands seen.
    fn run(typed: &[u8], cut: usize) -> (Vec<u8>, Vec<Command>) {
        let (mut escapes, mut job, mut commands) = (Escapes::default(), Vec::new(), Vec::new());
        for mut piece in [&typed[..cut], &typed[cut..]] {
            while !piece.is_empty() {
                let before = job.len();
                let (taken, command) = escapes.take(piece, &mut job);
                assert!(job.len() - before <= taken + 1);
                piece = &piece[taken..];
                commands.extend(command);
            }
        }
        (job, commands)
    }

    #[test]
    fn escapes_are_recognised_wherever_the_reads_cut_them() {
        let rows: [(&[u8], &[u8], &[Command]); 12] = [
            (b"ls\r", b"ls\r", &[]),
            (b"~.", b"", &[Command::End]),
            (b"ls\r~.", b"ls\r", &[Command::End]),
            (b"ls\n~?x", b"ls\nx", &[Command::Help]),
            (b"~\x1a~.", b"", &[Command::Suspend, Command::End]),
            (b"x\r~d", b"x\r", &[Command::Detach]),
            (b"~~.", b"~.", &[]),
            (b"~~\r~~", b"~\r~", &[]),
            (b"a~.", b"a~.", &[]),
            (b"~x~.", b"~x~.", &[]),
            (b"~\r~.", b"~\r", &[Command::End]),
            (b"cd ~\r~/bin\r", b"cd ~\r~/bin\r", &[]),
        ];
        for (typed, job, commands) in rows {
            for cut in 0..=typed.len() {
                let seen = run(typed, cut);
                assert_eq!((&seen.0[..], &seen.1[..]), (job, commands), "{typed:?} cut at {cut}");
            }
        }
    }
}
