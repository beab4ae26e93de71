//! Reads messages as a mail reader does, with none of the code that writes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A message or a part of one.
pub struct Message {
    headers: Vec<(String, String)>,
    body: String,
}

impl Message {
    /// Headers unfolded and decoded, and the rest. Lines may end in LF alone.
    pub fn parse(text: &str) -> Self {
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").expect("an empty line ends the headers");
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in head.lines() {
            match headers.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
                Some((_, value)) => value.push_str(line),
                None => {
                    let (name, value) = line.split_once(": ").expect("a header has a name");
                    headers.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        for (_, value) in &mut headers {
            *value = decoded(value);
        }
        Self { headers, body: body.to_owned() }
    }

    /// The values of all headers of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &value[..]).collect()
    }

    /// The value of the only header of this name.
    pub fn header(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [value] => value,
            ref values => panic!("{name}: {values:?}"),
        }
    }

    /// The parts of a multipart message.
    pub fn parts(&self) -> Vec<Message> {
        let (_, rest) = self.header("Content-Type").split_once("boundary=\"").expect("multipart");
        let boundary = format!("--{}", rest.split('"').next().expect("a boundary"));
        let parts: Vec<&str> = self.body.split(&boundary).skip(1).collect();
        let (last, parts) = parts.split_last().expect("a closing boundary");
        assert_eq!(last.trim_end(), "--");
        parts.iter().map(|part| Message::parse(&part[1..part.len() - 1])).collect()
    }

    /// What it says, decoded; lines of text end in CRLF.
    pub fn content(&self) -> Vec<u8> {
        match self.header("Content-Transfer-Encoding") {
            "base64" => STANDARD.decode(self.body.replace('\n', "")).expect("base64"),
            "quoted-printable" => {
                let joined = self.body.replace("=\n", "").replace('\n', "\r\n");
                let mut pieces = joined.split('=');
                let mut bytes = pieces.next().expect("one at least").as_bytes().to_vec();
                for piece in pieces {
                    bytes.push(u8::from_str_radix(&piece[..2], 16).expect("two hexadecimal digits"));
                    bytes.extend_from_slice(&piece.as_bytes()[2..]);
                }
                bytes
            }
            _ => self.body.replace('\n', "\r\n").into_bytes(),
        }
    }
}

/// A header with its encoded words (RFC 2047) decoded; spaces between two of them are not there.
fn decoded(value: &str) -> String {
    let (mut text, mut rest, mut after_word) = (String::new(), value, false);
    while let Some((before, word)) = rest.split_once("=?utf-8?b?") {
        if !(after_word && before.trim().is_empty()) {
            text.push_str(before);
        }
        let (word, after) = word.split_once("?=").expect("an encoded word has an end");
        let bytes = STANDARD.decode(word).expect("base64");
        text.push_str(&String::from_utf8(bytes).expect("UTF-8"));
        (rest, after_word) = (after, true);
    }
    text + rest
}
