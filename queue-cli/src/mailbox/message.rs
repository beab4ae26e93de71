//! A mail as our own reports are made: a head, a text, perhaps tails of output beside it.

use std::path::Path;

use jiff::{Timestamp, Zoned};

use super::decode;
use crate::failure::printable;

/// What is shown of a mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// What it is about, decoded; not yet fit for a terminal.
    pub subject: String,
    /// When it was written, if it says so in a way that we know.
    pub date: Option<Timestamp>,
    from: String,
    to: String,
    texts: Vec<String>,
    /// Names of what is not text.
    beside: Vec<String>,
}

impl Message {
    /// Reads a mail; what it lacks is empty.
    pub fn parse(mail: &[u8]) -> Self {
        let (head, body) = split(mail);
        let line = |name: &str| decode::head(&field(head, name));
        let date = jiff::fmt::rfc2822::parse(line("date").trim()).ok().map(|time| time.timestamp());
        let mut message =
            Self { subject: line("subject"), from: line("from"), to: line("to"), date, ..Self::default() };
        message.take(head, body, DEEPEST);
        message
    }

    /// The mail for a terminal; `path` is where it can be found.
    pub fn show(&self, now: &Zoned, path: &Path) -> String {
        let mut text = String::new();
        let date = self.date.map(|date| date.to_zoned(now.time_zone().clone()));
        let date = date.map_or(String::new(), |date| date.strftime("%Y-%m-%d %H:%M:%S %Z").to_string());
        for (name, value) in [("Date", &date), ("From", &self.from), ("To", &self.to), ("Subject", &self.subject)] {
            if !value.is_empty() {
                text.push_str(&format!("{name}: {}\n", printable(value)));
            }
        }
        for body in &self.texts {
            text.push('\n');
            for line in body.lines() {
                // A tabulator moves the cursor and nothing else.
                let line = line.split('\t').map(printable).collect::<Vec<_>>().join("\t");
                text.push_str(&line);
                text.push('\n');
            }
        }
        for name in &self.beside {
            text.push_str(&format!("\n[beside it: {}, in {}]\n", printable(name), path.display()));
        }
        text
    }

    /// Takes a part, and the parts of a part.
    fn take(&mut self, head: &[u8], body: &[u8], deepest: u32) {
        let kind = String::from_utf8_lossy(&field(head, "content-type")).into_owned();
        let name = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let encoding = String::from_utf8_lossy(&field(head, "content-transfer-encoding")).into_owned();
        let disposition = String::from_utf8_lossy(&field(head, "content-disposition")).into_owned();
        if name.starts_with("multipart/") {
            let parts = parameter(&kind, "boundary").map_or(Vec::new(), |boundary| parts(body, &boundary));
            if deepest == 0 || parts.is_empty() {
                self.beside.push(name);
                return;
            }
            for part in parts {
                let (head, body) = split(part);
                self.take(head, body, deepest - 1);
            }
        } else if (name.is_empty() || name == "text/plain")
            && !disposition.to_ascii_lowercase().starts_with("attachment")
        {
            self.texts.push(String::from_utf8_lossy(&decode::body(body, &encoding)).into_owned());
        } else {
            let called = parameter(&disposition, "filename").or_else(|| parameter(&kind, "name"));
            let called = called.map(|name| decode::head(name.as_bytes()));
            self.beside.push(called.map_or(name.clone(), |called| format!("{called} ({name})")));
        }
    }
}

/// Head and body, at the first empty line.
fn split(mail: &[u8]) -> (&[u8], &[u8]) {
    let mut begin = 0;
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            return (&mail[..begin], &mail[begin + line.len()..]);
        }
        begin += line.len();
    }
    (mail, b"")
}

/// The value of a field of a head, its lines joined; empty if it is not there.
fn field(head: &[u8], name: &str) -> Vec<u8> {
    let mut value = Vec::new();
    let mut is_wanted = false;
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if is_wanted {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            continue;
        }
        if is_wanted {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (found, rest) = line.split_at(colon.unwrap_or(0));
        is_wanted = found.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes());
        if is_wanted {
            value.extend_from_slice(rest.strip_prefix(b":").unwrap_or(rest).trim_ascii());
        }
    }
    value
}

/// A parameter such as `boundary` in `multipart/mixed; boundary="x"`.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|setting| {
        let (found, text) = setting.split_once('=')?;
        let text = text.trim();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        (found.trim().eq_ignore_ascii_case(name) && !text.is_empty()).then(|| text.to_owned())
    })
}

/// What stands between the boundaries; what is before the first and behind the last is nobody's.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut begin = None;
    let mut place = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let mark = line.trim_ascii_end().strip_prefix(b"--").and_then(|mark| mark.strip_prefix(boundary.as_bytes()));
        if let Some(rest @ (b"" | b"--")) = mark {
            parts.extend(begin.map(|begin| &body[begin..place]));
            begin = rest.is_empty().then_some(place + line.len());
            if begin.is_none() || parts.len() >= MOST_PARTS {
                return parts;
            }
        }
        place += line.len();
    }
    // One that was cut off.
    parts.extend(begin.map(|begin| &body[begin..]));
    parts
}

/// Parts of parts of parts are not ours.
const DEEPEST: u32 = 3;
const MOST_PARTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn shown(mail: &str) -> String {
        let now = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        Message::parse(mail.as_bytes()).show(&now, Path::new("/mail/cur/1:2,S"))
    }

    #[test]
    fn a_report_is_shown_with_its_head_and_its_text() {
        let mail = "Message-ID: <17.1@redfish>\r\nDate: Sun, 22 Nov 2026 14:02:10 +0100\r\nFrom: queue <q@redfish>\r\n\
                    Subject: [queue] ok:\r\n =?utf-8?b?bsOkY2h0bGljaA==?=\r\n\r\n =?utf-8?b?eA==?=\r\n";
        let message = Message::parse(mail.as_bytes());
        assert_eq!(message.subject, "[queue] ok: nächtlich");
        let mail = "Date: Sun, 22 Nov 2026 14:02:10 +0100\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\
                    Content-Transfer-Encoding: quoted-printable\r\n\r\nn=C3=A4chtlich\ta=1B[2J\r\n\r\nend\r\n";
        assert_eq!(shown(mail), "Date: 2026-11-22 13:02:10 UTC\nSubject: x\n\nnächtlich\ta\\u{1b}[2J\n\nend\n");
    }

    #[test]
    fn a_field_is_not_taken_from_the_body_or_from_another_fields_lines() {
        let head = b"X: a\n Subject: no\nsubject : yes\n more\nSubject: second\n";
        assert_eq!(field(head, "Subject"), b"yes more");
        assert_eq!(Message::parse(b"To: a\n\nSubject: no\n").subject, "");
        assert_eq!(Message::parse(b"").texts, [""]);
    }

    #[test]
    fn what_is_not_text_is_named_and_left_where_it_is() {
        let mail = "Subject: x\nContent-Type: multipart/mixed;\n boundary=\"=_b\"\n\npreamble\n--=_b\n\
                    Content-Type: text/plain\n\nhello\n--=_b\nContent-Type: application/octet-stream\n\
                    Content-Disposition: attachment; filename=\"tail\x1b\"\nContent-Transfer-Encoding: base64\n\nAAEC\n\
                    --=_b--\nepilogue\n";
        assert_eq!(
            shown(mail),
            "Subject: x\n\nhello\n\n[beside it: tail\\u{1b} (application/octet-stream), in /mail/cur/1:2,S]\n"
        );
    }

    #[test]
    fn parts_in_parts_without_end_are_not_followed() {
        let head = "Content-Type: multipart/mixed; boundary=b\n\n--b\n";
        let text = shown(&head.repeat(1000));
        assert!(text.contains("[beside it: multipart/mixed, in "), "{text}");
        assert_eq!(shown("Content-Type: multipart/mixed\n\nx"), "\n[beside it: multipart/mixed, in /mail/cur/1:2,S]\n");
    }
}
