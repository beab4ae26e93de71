//! The messages of the control stream.
//!
//! A message that a newer release invented is skipped; one that we know and cannot read is an
//! error of the peer.

use serde::{Deserialize, Serialize};

use super::{ProtocolError, Stream};
use crate::api::Refusal;

/// The most bytes a message takes, its length included.
const MESSAGE_LIMIT: usize = Stream::Control.window();

/// Bytes of a message's length.
const LENGTH: usize = size_of::<u32>();

/// One message of the control stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Client: run the job now.
    Start(StartInfo),
    /// Client: the terminal has another size. Runner, to one who only looks: so large it is.
    Resize(Size),
    /// Client: send the job's foreground group this signal, a name without `SIG`.
    Signal(String),
    /// Client: whether it is in the foreground of its own terminal.
    Foreground(bool),
    /// Client: the terminal's modes.
    Modes(Modes),
    /// The speaker's reader of this stream has gone; its writer gets EPIPE.
    Closed(Stream),
    /// Client: it goes, and the job is to run on until somebody attaches.
    Detach,
    /// Client: anything may stand on the terminal; show all of the screen.
    Repaint,
    /// Client: a line of its own stood on the terminal's last line, and nothing of the job's came
    /// meanwhile; show what belongs there.
    RepaintLine,
    /// Runner: the job runs.
    Started,
    /// Runner: the job could not be started; nothing has run.
    StartFailed(Refusal),
    /// Runner: the job was stopped by this signal.
    Stopped(String),
    /// Runner: the job goes on.
    Continued,
    /// Runner: one line for the person.
    Notice(String),
    /// Runner: bytes of a stream are missing.
    Gap(Gap),
    /// Runner: the job has ended; the last message, sent after all output.
    End(End),
}

/// The surroundings a job starts in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StartInfo {
    /// The terminal's size, if there is a terminal.
    #[serde(default)]
    pub size: Option<Size>,
    /// The terminal's modes, if there is a terminal.
    #[serde(default)]
    pub modes: Option<Modes>,
    /// Whether the client is in the foreground of its terminal.
    #[serde(default)]
    pub foreground: bool,
    /// How long the end waits for children of the job that still hold its output, milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drain_ms: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A terminal's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Size {
    /// Lines of characters.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
    /// Width in pixels, 0 when unknown.
    #[serde(default)]
    pub x_pixels: u16,
    /// Height in pixels, 0 when unknown.
    #[serde(default)]
    pub y_pixels: u16,
}

/// A terminal's modes, as in termios(3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Modes {
    /// `c_iflag`.
    pub input: u32,
    /// `c_oflag`.
    pub output: u32,
    /// `c_cflag`.
    pub control: u32,
    /// `c_lflag`.
    pub local: u32,
    /// `c_cc`.
    pub characters: Vec<u8>,
    /// Input speed, as in `cfsetispeed`.
    #[serde(default)]
    pub input_speed: u32,
    /// Output speed, as in `cfsetospeed`.
    #[serde(default)]
    pub output_speed: u32,
}

/// Bytes that will never arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Where they are missing.
    pub stream: Stream,
    /// How many; `None`: nobody knows.
    #[serde(default)]
    pub bytes: Option<u64>,
}

/// The end of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    #[serde(default)]
    pub usage: Usage,
    /// Why what it wrote may not be all there, of a batch job; none: nothing speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
    /// Which limit it was ended for, and where: `time limit 2 h on bluefish`. Then the outcome is a signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It exited with this code.
    Exited(u8),
    /// A signal ended it.
    Killed {
        /// The signal's name without `SIG`.
        signal: String,
        /// Whether it left a core.
        #[serde(default)]
        core: bool,
    },
}

/// What a job used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// From start to end, microseconds.
    pub wall_us: u64,
    /// CPU time in user mode, microseconds.
    pub user_us: u64,
    /// CPU time in the kernel, microseconds.
    pub system_us: u64,
    /// The largest resident set of one of its processes, KiB.
    pub max_rss_kib: u64,
}

impl Control {
    /// Every name that begins a message of this release.
    const NAMES: [&str; 16] = [
        "start",
        "resize",
        "signal",
        "foreground",
        "modes",
        "closed",
        "detach",
        "repaint",
        "started",
        "start_failed",
        "stopped",
        "continued",
        "notice",
        "gap",
        "end",
        "repaint_line",
    ];

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain fields always serialise")
    }

    /// `None` for a message that a newer release invented.
    fn parse(body: &[u8]) -> Result<Option<Self>, ProtocolError> {
        serde_json::from_slice(body)
            .map(Some)
            .or_else(|error| if is_unknown(body) { Ok(None) } else { Err(ProtocolError::Control(error)) })
    }
}

/// Whether this is a well-formed message whose name is new to us.
fn is_unknown(body: &[u8]) -> bool {
    let name = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(serde_json::Value::Object(fields)) if fields.len() == 1 => {
            fields.into_iter().next().map(|(name, _)| name).unwrap_or_default()
        }
        _ => return false,
    };
    !Control::NAMES.contains(&name.as_str())
}

/// Received bytes of the control stream, until they are whole messages. The window bounds it.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

/// One message, taken from the [`Buffer`].
#[derive(Debug)]
pub(super) struct Message {
    /// `None` if it is unknown to this release.
    pub(super) control: Option<Control>,
    /// How many bytes of the stream it was.
    pub(super) length: usize,
}

impl Buffer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message.
    pub(super) fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        let bytes = &self.bytes[self.start..];
        let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() else {
            self.release_if_empty();
            return Ok(None);
        };
        let announced = u32::from_be_bytes(*length);
        let body = announced as usize;
        if body > MESSAGE_LIMIT - LENGTH {
            return Err(ProtocolError::ControlLength(announced));
        }
        let Some(body) = rest.get(..body) else {
            return Ok(None);
        };
        let (control, length) = (Control::parse(body)?, LENGTH + body.len());
        self.start += length;
        Ok(Some(Message { control, length }))
    }

    /// Forgets what is there; answers how much.
    pub(super) fn clear(&mut self) -> usize {
        let left = self.bytes.len() - self.start;
        *self = Self::default();
        left
    }

    fn release_if_empty(&mut self) {
        if self.start == self.bytes.len() && self.bytes.capacity() > 0 {
            *self = Self::default();
        }
    }

    /// Heap bytes held.
    pub(super) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RefusalKind;

    fn one_of_each() -> Vec<Control> {
        let refusal = Refusal { message: "host b: no".into(), kind: RefusalKind::Failed };
        let outcome = Outcome::Killed { signal: "TERM".into(), core: false };
        vec![
            Control::Start(StartInfo::default()),
            Control::Resize(Size { rows: 24, columns: 80, x_pixels: 0, y_pixels: 0 }),
            Control::Signal("INT".into()),
            Control::Foreground(true),
            Control::Modes(Modes { characters: vec![3, 28], ..Modes::default() }),
            Control::Closed(Stream::Stdout),
            Control::Detach,
            Control::Repaint,
            Control::Started,
            Control::StartFailed(refusal),
            Control::Stopped("TSTP".into()),
            Control::Continued,
            Control::Notice("a line".into()),
            Control::Gap(Gap { stream: Stream::Tty, bytes: None }),
            Control::End(End { outcome, usage: Usage::default(), incomplete: None, limit: None }),
            Control::RepaintLine,
        ]
    }

    /// The texts that a newer release will have to understand.
    const GOLDEN: [&str; 16] = [
        r#"{"start":{"size":null,"modes":null,"foreground":false}}"#,
        r#"{"resize":{"rows":24,"columns":80,"x_pixels":0,"y_pixels":0}}"#,
        r#"{"signal":"INT"}"#,
        r#"{"foreground":true}"#,
        r#"{"modes":{"input":0,"output":0,"control":0,"local":0,"characters":[3,28],"input_speed":0,"output_speed":0}}"#,
        r#"{"closed":"stdout"}"#,
        r#""detach""#,
        r#""repaint""#,
        r#""started""#,
        r#"{"start_failed":{"message":"host b: no","kind":"failed"}}"#,
        r#"{"stopped":"TSTP"}"#,
        r#""continued""#,
        r#"{"notice":"a line"}"#,
        r#"{"gap":{"stream":"tty","bytes":null}}"#,
        r#"{"end":{"outcome":{"killed":{"signal":"TERM","core":false}},"usage":{"wall_us":0,"user_us":0,"system_us":0,"max_rss_kib":0}}}"#,
        r#""repaint_line""#,
    ];

    #[test]
    fn messages_are_written_as_they_always_were() {
        for ((message, text), name) in one_of_each().iter().zip(GOLDEN).zip(Control::NAMES) {
            assert_eq!(String::from_utf8(message.encode()).expect("JSON"), text);
            assert!(text.contains(&format!("\"{name}\"")), "{name} is not the name of {text}");
            assert_eq!(Control::parse(text.as_bytes()).expect("we wrote it").as_ref(), Some(message));
        }
    }

    #[test]
    fn every_message_of_this_release_is_known_by_name() {
        for (place, message) in one_of_each().iter().enumerate() {
            // A new variant is added to this list, to NAMES and to GOLDEN.
            let expected = match message {
                Control::Start(_) => 0,
                Control::Resize(_) => 1,
                Control::Signal(_) => 2,
                Control::Foreground(_) => 3,
                Control::Modes(_) => 4,
                Control::Closed(_) => 5,
                Control::Detach => 6,
                Control::Repaint => 7,
                Control::Started => 8,
                Control::StartFailed(_) => 9,
                Control::Stopped(_) => 10,
                Control::Continued => 11,
                Control::Notice(_) => 12,
                Control::Gap(_) => 13,
                Control::End(_) => 14,
                Control::RepaintLine => 15,
            };
            assert_eq!(place, expected);
        }
    }
}
