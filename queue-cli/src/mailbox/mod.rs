//! `queue mail`: the reports of a user for whom no mailer took them, in a maildir of the daemon's.
//!
//! Only files are looked at, renamed and removed here; the daemon may deliver meanwhile, as maildirs
//! allow. What a report says comes from jobs: it is decoded in [`message`] and [`decode`] as far as our
//! own mails go, and no control character of it reaches the terminal.

mod decode;
mod message;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, Zoned};

use crate::failure::{Failure, printable, words};
use crate::table::{Align, lay_out};
use message::Message;

/// Which mails are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// These, by their numbers in the list.
    Numbers(Vec<usize>),
    /// All.
    All,
}

/// How many have come that nobody has seen; where there is no maildir there are none.
pub fn unread(maildir: &Path) -> usize {
    let names = fs::read_dir(maildir.join(NEW)).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter(is_mail).count()
}

/// A line for each: number, `N` if nobody has seen it, when, and what about. Empty: there are none.
pub fn list(maildir: &Path, now: &Zoned) -> Result<String, Failure> {
    let mails = mails(maildir)?;
    let mut rows = vec![["NR", "", "DATE", "SUBJECT"].map(str::to_owned).to_vec()];
    for (place, mail) in mails.iter().enumerate() {
        let Some(bytes) = mail.read(LONGEST_HEAD)? else {
            continue;
        };
        let message = Message::parse(&bytes);
        let time = message.date.unwrap_or(mail.delivered).to_zoned(now.time_zone().clone());
        let marker = if mail.is_new { "N" } else { "" };
        let when = time.strftime("%Y-%m-%d %H:%M").to_string();
        rows.push(vec![(place + 1).to_string(), marker.to_owned(), when, printable(&message.subject)]);
    }
    if rows.len() == 1 {
        return Ok(String::new());
    }
    Ok(lay_out(&[Align::Right, Align::Left, Align::Left, Align::Left], &rows))
}

/// Prints them, oldest first, and marks those as seen that were written.
pub fn read(maildir: &Path, which: &Which, now: &Zoned, out: &mut impl Write) -> Result<(), Failure> {
    let chosen = chosen(mails(maildir)?, which)?;
    for (place, mail) in chosen.iter().enumerate() {
        let Some(bytes) = mail.read(LONGEST)? else {
            return Err(Failure::own(format!("{} is gone: somebody else has read or deleted it", mail.path.display())));
        };
        let kept_as = mail.seen_path(maildir);
        let mut text = Message::parse(&bytes).show(now, &kept_as);
        if u64::try_from(bytes.len()).is_ok_and(|length| length >= LONGEST) {
            text.push_str(&format!("[it goes on in {}]\n", kept_as.display()));
        }
        let rule = if place == 0 { "" } else { "\n----\n\n" };
        match out.write_all(rule.as_bytes()).and_then(|()| out.write_all(text.as_bytes())).and_then(|()| out.flush()) {
            Ok(()) => mail.mark_seen(maildir)?,
            // A pager that was left: what comes is not seen.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => {
                return Err(Failure::own(format!("cannot write to standard output: {}", words(&error))));
            }
        }
    }
    Ok(())
}

/// Deletes them and says how many.
pub fn delete(maildir: &Path, which: &Which) -> Result<String, Failure> {
    let chosen = chosen(mails(maildir)?, which)?;
    for mail in &chosen {
        match fs::remove_file(&mail.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("delete", &mail.path, &error)),
            _ => {}
        }
    }
    Ok(match chosen.len() {
        1 => "deleted 1 mail\n".to_owned(),
        mails => format!("deleted {mails} mails\n"),
    })
}

/// A file in the maildir.
struct Mail {
    path: PathBuf,
    name: OsString,
    is_new: bool,
    /// As its name says.
    delivered: Timestamp,
}

impl Mail {
    /// Its first bytes; none if it has just gone.
    fn read(&self, most: u64) -> Result<Option<Vec<u8>>, Failure> {
        let mut bytes = Vec::new();
        match fs::File::open(&self.path).and_then(|file| file.take(most).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &self.path, &error)),
        }
    }

    /// Where it is when it was seen.
    fn seen_path(&self, maildir: &Path) -> PathBuf {
        if !self.is_new {
            return self.path.clone();
        }
        let mut name = self.name.clone();
        name.push(SEEN);
        maildir.join(CURRENT).join(name)
    }

    fn mark_seen(&self, maildir: &Path) -> Result<(), Failure> {
        if !self.is_new {
            return Ok(());
        }
        let current = maildir.join(CURRENT);
        fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&current)
            .map_err(|error| failed("make", &current, &error))?;
        match fs::rename(&self.path, self.seen_path(maildir)) {
            // Another reader was faster.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("move", &self.path, &error)),
            _ => Ok(()),
        }
    }
}

/// All of them, oldest first: their numbers stay while nothing is deleted.
fn mails(maildir: &Path) -> Result<Vec<Mail>, Failure> {
    let mut mails = Vec::new();
    for (directory, is_new) in [(NEW, true), (CURRENT, false)] {
        let directory = maildir.join(directory);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed("read", &directory, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed("read", &directory, &error))?;
            let name = entry.file_name();
            // Something else than a file could keep us waiting.
            if is_mail(&name) && entry.file_type().is_ok_and(|found| found.is_file()) {
                let delivered = delivered(name.as_bytes());
                mails.push(Mail { path: entry.path(), name, is_new, delivered });
            }
        }
    }
    // The end of a name changes when its mail is seen, and its number must not.
    let unique = |mail: &Mail| mail.name.as_bytes().split(|byte| *byte == b':').next().map(<[u8]>::to_vec);
    mails.sort_by_cached_key(|mail| (mail.delivered, unique(mail)));
    Ok(mails)
}

fn chosen(mails: Vec<Mail>, which: &Which) -> Result<Vec<Mail>, Failure> {
    let Which::Numbers(numbers) = which else {
        return Ok(mails);
    };
    if let Some(number) = numbers.iter().find(|number| **number == 0 || **number > mails.len()) {
        let there = match mails.len() {
            0 => "there is none at all".to_owned(),
            1 => "there is one, 1".to_owned(),
            last => format!("there are 1 to {last}"),
        };
        return Err(Failure::usage(format!("there is no mail {number}; {there}")));
    }
    let numbered = mails.into_iter().enumerate();
    Ok(numbered.filter(|(place, _)| numbers.contains(&(place + 1))).map(|(_, mail)| mail).collect())
}

/// The seconds that a name in a maildir begins with.
fn delivered(name: &[u8]) -> Timestamp {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let seconds = std::str::from_utf8(&name[..digits]).ok().and_then(|digits| digits.parse().ok());
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or_default()
}

fn is_mail(name: &OsString) -> bool {
    !name.as_bytes().starts_with(b".")
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::own(format!("cannot {verb} {}: {}", path.display(), words(error)))
}

const NEW: &str = "new";
const CURRENT: &str = "cur";
const SEEN: &str = ":2,S";

/// A report with its tails is much shorter.
const LONGEST: u64 = 4 << 20;
/// So much is read to know what a mail is about.
const LONGEST_HEAD: u64 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    struct Maildir(PathBuf);

    impl Maildir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("queue-mailbox-{name}-{}", std::process::id()));
            for directory in [NEW, "tmp"] {
                fs::create_dir_all(path.join(directory)).expect("a directory in temp");
            }
            Self(path)
        }

        fn deliver(&self, name: &str, text: &str) {
            fs::write(self.0.join(NEW).join(name), text).expect("ours");
        }

        fn read(&self, which: Which) -> Result<String, Failure> {
            let mut text = Vec::new();
            read(&self.0, &which, &now(), &mut text).map(|()| String::from_utf8(text).expect("UTF-8"))
        }
    }

    impl Drop for Maildir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn now() -> Zoned {
        Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC)
    }

    fn three() -> Maildir {
        let maildir = Maildir::new(&format!("{:?}", std::thread::current().id()).replace(['(', ')'], ""));
        maildir.deliver("1000000300.M1P1.b", "Subject: third\r\n\r\nc\r\n");
        maildir
            .deliver("1000000100.M2P1.b", "Subject: first\x1b[2J\nDate: Sun, 09 Sep 2001 01:00:00 +0000\n\na\x1b[2J\n");
        maildir.deliver("1000000200.M1P1.b", "Subject: second\n\nb\n");
        maildir.deliver(".hidden", "");
        maildir
    }

    #[test]
    fn the_list_is_oldest_first_and_marks_what_nobody_has_seen() {
        let maildir = three();
        assert_eq!(unread(&maildir.0), 3);
        assert!(maildir.read(Which::Numbers(vec![2])).is_ok_and(|text| text.contains("Subject: second\n\nb\n")));
        assert_eq!(unread(&maildir.0), 2);
        assert!(maildir.0.join("cur/1000000200.M1P1.b:2,S").exists());
        assert_eq!(
            list(&maildir.0, &now()),
            Ok("\
NR     DATE              SUBJECT
 1  N  2001-09-09 01:00  first\\u{1b}[2J
 2     2001-09-09 01:50  second
 3  N  2001-09-09 01:51  third
"
            .to_owned())
        );
    }

    #[test]
    fn a_mail_cannot_drive_the_terminal() {
        let text = three().read(Which::All).expect("three mails");
        assert_eq!(text.matches("\n----\n").count(), 2);
        assert!(text.contains("\na\\u{1b}[2J\n"), "{text}");
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
    }

    #[test]
    fn only_what_was_written_is_seen() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let maildir = three();
        assert_eq!(read(&maildir.0, &Which::All, &now(), &mut Full), Ok(()));
        assert_eq!(unread(&maildir.0), 3);
    }

    #[test]
    fn numbers_are_those_of_the_list_and_are_all_known_before_anything_is_deleted() {
        let maildir = three();
        let failure = delete(&maildir.0, &Which::Numbers(vec![1, 4])).expect_err("there are three");
        assert_eq!(failure.message, "there is no mail 4; there are 1 to 3");
        assert_eq!(unread(&maildir.0), 3);
        assert_eq!(delete(&maildir.0, &Which::Numbers(vec![3, 1, 1])), Ok("deleted 2 mails\n".to_owned()));
        assert!(maildir.read(Which::All).is_ok_and(|text| text.contains("second") && !text.contains("third")));
        assert_eq!(delete(&maildir.0, &Which::All), Ok("deleted 1 mail\n".to_owned()));
        assert_eq!(list(&maildir.0, &now()), Ok(String::new()));
    }

    #[test]
    fn without_a_maildir_there_is_no_mail() {
        let nowhere = Path::new("/nowhere/mail");
        assert_eq!((unread(nowhere), list(nowhere, &now())), (0, Ok(String::new())));
        let failure = delete(nowhere, &Which::Numbers(vec![1])).expect_err("there is none");
        assert_eq!(failure.message, "there is no mail 1; there is none at all");
    }
}
