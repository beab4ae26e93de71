//! The last of a job's output in a letter: what is shown in it, what goes along as an attachment.
//!
//! Shown is text only, at most [`LINES`] lines and [`SHOWN`] bytes. Colours and what programs write to draw
//! progress bars are taken out of what is shown and left in what is attached.

use wire::batch::OutputStream;

use super::Attachment;
use super::figures;

/// The last bytes of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Which.
    pub stream: OutputStream,
    /// Its last bytes; of more than [`ATTACHED`] the last are taken.
    pub bytes: Vec<u8>,
    /// How long it is in all.
    pub total: u64,
}

/// How many lines are shown.
pub const LINES: usize = 40;
/// How many bytes are shown.
pub const SHOWN: usize = 4096;
/// How many bytes are attached.
pub const ATTACHED: usize = 64 * 1024;

/// Writes a tail under its heading, and answers what is to be attached.
pub fn show(body: &mut String, heading: &str, tail: &Tail) -> Option<Attachment> {
    let bytes = &tail.bytes[tail.bytes.len().saturating_sub(ATTACHED)..];
    if tail.total == 0 || bytes.is_empty() {
        return None;
    }
    let whole = tail.total <= bytes.len() as u64;
    let name = |text| match (tail.stream, text) {
        (OutputStream::Stderr, true) => "stderr.txt",
        (OutputStream::Stderr, false) => "stderr.bin",
        (OutputStream::Stdout | OutputStream::Stdin, true) => "stdout.txt",
        (OutputStream::Stdout | OutputStream::Stdin, false) => "stdout.bin",
    };
    let attachment = |text| Attachment { name: name(text), text, bytes: bytes.to_vec() };
    let attached = if whole {
        "all of it is attached".to_owned()
    } else {
        format!("the last {} are attached", figures::size(bytes.len() as u64))
    };
    let Some(text) = as_text(bytes, !whole) else {
        body.push_str(&format!("\n{heading} is not text; {attached}.\n"));
        return Some(attachment(false));
    };
    let shown = last_lines(text);
    let all_shown = whole && shown.len() == text.len();
    body.push_str(&if all_shown {
        format!("\n{heading}:\n\n")
    } else {
        format!("\nThe last lines of {} ({attached}):\n\n", heading.to_lowercase())
    });
    for line in shown.lines() {
        body.push_str(&as_printed(line));
        body.push('\n');
    }
    (!all_shown).then(|| attachment(true))
}

/// The bytes as text, if they are: UTF-8, where a character may be cut at the end, and at the beginning too
/// if `cut`; of control characters only those that programs write for a terminal.
fn as_text(bytes: &[u8], cut: bool) -> Option<&str> {
    let continuation = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    let skipped = if cut { bytes.iter().take(3).take_while(continuation).count() } else { 0 };
    let text = match std::str::from_utf8(&bytes[skipped..]) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[skipped..skipped + error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let usual = |character: char| !character.is_control() || "\t\n\r\x07\x08\x0c\x1b".contains(character);
    text.chars().all(usual).then_some(text)
}

/// Whole lines from the end, as many as are shown; of a single long line its end.
fn last_lines(text: &str) -> &str {
    let mut start = 0;
    if text.len() > SHOWN {
        start = text.ceil_char_boundary(text.len() - SHOWN);
        // Not from the middle of a line, unless there is no other.
        if let Some(end) = text[start..].find('\n')
            && start + end + 1 < text.len()
        {
            start += end + 1;
        }
    }
    let shown = text[start..].strip_suffix('\n').unwrap_or(&text[start..]);
    match shown.rmatch_indices('\n').nth(LINES - 1) {
        Some((at, _)) => &text[start + at + 1..],
        None => &text[start..],
    }
}

/// A line as it would stand on a terminal at last: what a return went back over is gone, and so are
/// colours and other control sequences.
fn as_printed(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let last = line.rsplit('\r').next().unwrap_or(line);
    let mut printed = String::new();
    let mut characters = last.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => match characters.next() {
                // CSI: parameters, then one final character.
                Some('[') => while characters.next().is_some_and(|next| !('@'..='~').contains(&next)) {},
                // OSC: a string that ends in BEL or ESC \.
                Some(']') => {
                    while let Some(next) = characters.next() {
                        if next == '\x07' || next == '\x1b' && characters.next_if_eq(&'\\').is_some() {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\x08' => drop(printed.pop()),
            '\t' => printed.push('\t'),
            _ if character.is_control() => {}
            _ => printed.push(character),
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], total: u64) -> (String, Option<Attachment>) {
        let mut body = String::new();
        let tail = Tail { stream: OutputStream::Stdout, bytes: bytes.to_vec(), total };
        let attachment = show(&mut body, "Standard output", &tail);
        (body, attachment)
    }

    #[test]
    fn short_text_is_shown_whole_and_not_attached() {
        assert_eq!(shown(b"one\ntwo\n", 8), ("\nStandard output:\n\none\ntwo\n".to_owned(), None));
        assert_eq!(shown(b"no line feed", 12), ("\nStandard output:\n\nno line feed\n".to_owned(), None));
        assert_eq!(shown(b"", 0), (String::new(), None));
    }

    #[test]
    fn of_many_lines_the_last_forty_are_shown_and_all_attached() {
        let text: String = (1..=100).map(|number| format!("line {number}\n")).collect();
        let (body, attachment) = shown(text.as_bytes(), text.len() as u64);
        assert!(
            body.starts_with("\nThe last lines of standard output (all of it is attached):\n\nline 61\n"),
            "{body}"
        );
        assert!(body.ends_with("line 100\n"), "{body}");
        let attachment = attachment.expect("not all was shown");
        assert_eq!((attachment.name, attachment.text), ("stdout.txt", true));
        assert_eq!(attachment.bytes, text.as_bytes());
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let text = "ä".repeat(10_000);
        // The tail begins in the middle of a character.
        let (body, attachment) = shown(&text.as_bytes()[1..], 1_000_000);
        assert!(body.contains("the last 19.5 KiB are attached"), "{body}");
        let line = body.lines().last().expect("it has lines");
        assert!(line.len() <= SHOWN && line.chars().all(|character| character == 'ä'), "{line}");
        assert!(attachment.expect("attached").text);
    }

    #[test]
    fn what_is_not_text_is_attached_only_and_bounded() {
        let (body, attachment) = shown(&[0xff, 0, 7], 3);
        assert_eq!(body, "\nStandard output is not text; all of it is attached.\n");
        assert_eq!(attachment, Some(Attachment { name: "stdout.bin", text: false, bytes: vec![0xff, 0, 7] }));
        let (_, attachment) = shown(&vec![0; ATTACHED + 100], 1 << 40);
        assert_eq!(attachment.expect("attached").bytes.len(), ATTACHED);
    }

    #[test]
    fn colours_and_progress_bars_are_as_they_would_look_at_last() {
        assert_eq!(as_printed("\x1b[1;31mred\x1b[0m and \x1b]0;title\x07plain"), "red and plain");
        assert_eq!(as_printed(" 10 %\r 50 %\r100 %\r"), "100 %");
        assert_eq!(as_printed("ab\x08c\x07\td"), "ac\td");
        assert_eq!(as_printed("cut \x1b["), "cut ");
    }
}
