//! Reports by mail: what a letter says, when it goes out alone or in a digest, when it is tried again.
//!
//! Pure like the rest of the core. A report is *owed* from the moment the spool has it until a sink took
//! the letter or refused it for good, and every end is named in exactly one letter:
//!
//! ```text
//! the spool: owed ──> caps ──┬─ SendOne ────> compose ──┐
//!                            └─ SendDigest ─> digest ───┴─> outbox ──> daemon::mail
//! ```
//!
//! | Module | Question it answers |
//! |---|---|
//! | [`compose`] | What does the letter about one job say? |
//! | [`digest`] | What does the letter about many jobs say? |
//! | [`caps`] | Does this report get a letter of its own, or is it collected? |
//! | [`outbox`] | Which letter is tried now, and what became of it? |
//! | [`notice`] | What does the owner's command learn, and when is it given up? |
//! | [`end`] | How did it end, in words? |
//! | [`tails`] | Which part of the output is shown, which attached? |
//! | [`figures`], [`plain`], [`message_id`] | How are lengths, texts and names written? |
//!
//! Nothing here sees an environment: a [`JobRow`](wire::batch::JobRow) has none.

pub mod caps;
pub mod compose;
pub mod digest;
pub mod end;
pub mod figures;
pub mod message_id;
pub mod notice;
pub mod outbox;
pub mod plain;
pub mod tails;

use super::names::JobId;

/// What a report tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// That an attempt was started.
    Start,
    /// That the job ended, however.
    End,
}

impl Kind {
    /// One word, for names.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Start => "start",
            Kind::End => "end",
        }
    }
}

/// Which attempt a report is about. A job that is submitted again has the same number and a new attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The job at this home.
    pub job: JobId,
    /// Which attempt; 0 if it ended before the first.
    pub number: u64,
}

/// A letter before it has the form of one: what `daemon::mail` puts into a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The owner of the jobs: the sender's name and, without another wish, the recipient.
    pub user: String,
    /// Where the owner wants it; as the owner wrote it.
    pub to: Option<String>,
    /// One line without control characters.
    pub subject: String,
    /// The same for the same report whenever it is made, with its angle brackets.
    pub message_id: String,
    /// Plain text, lines end in LF.
    pub body: String,
    /// Parts of the output.
    pub attachments: Vec<Attachment>,
}

impl Letter {
    /// Headers that every letter has: no holiday answers, and no hurry.
    pub const HEADERS: [(&str, &str); 4] = [
        ("Auto-Submitted", "auto-generated"),
        ("Precedence", "bulk"),
        ("Priority", "non-urgent"),
        ("X-Priority", "5 (Lowest)"),
    ];
}

/// A part of a job's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its file name, of our making.
    pub name: &'static str,
    /// Whether it is UTF-8 text.
    pub text: bool,
    /// The bytes, at most [`tails::ATTACHED`].
    pub bytes: Vec<u8>,
}
