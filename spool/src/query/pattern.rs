//! What `=~` looks for. SQLite's `GLOB` does the same for [`Query::sql`](super::Query::sql), so characters
//! here are what they are there, also in directories that are not valid UTF-8.

use super::TextTest;
use super::error::Why;

/// A pattern for the whole text: `*` is anything, `?` is one character, everything else is itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Code(u32),
}

/// The pattern, or the text that is looked for anywhere if it has no `*` and no `?`.
pub(super) fn wanted(text: &str) -> Result<TextTest, Why> {
    if !text.contains(['*', '?']) {
        return Ok(TextTest::Contains(text.to_owned()));
    }
    // SQLite has limits too, and calls itself for every `*`.
    if text.len() > Glob::MOST_BYTES || text.matches('*').count() > Glob::MOST_STARS {
        return Err(Why::Pattern);
    }
    let piece = |code| match char::from_u32(code) {
        Some('*') => Piece::Any,
        Some('?') => Piece::One,
        _ => Piece::Code(code),
    };
    Ok(TextTest::Like(Glob { text: text.to_owned(), pieces: codes(text.as_bytes()).map(piece).collect() }))
}

impl Glob {
    /// The longest one.
    pub const MOST_BYTES: usize = 4096;
    /// The most `*` in one.
    pub const MOST_STARS: usize = 32;

    /// Whether it is this text.
    pub fn matches(&self, text: &[u8]) -> bool {
        let text: Vec<u32> = codes(text).collect();
        let (mut piece, mut at) = (0, 0);
        // Behind the last `*`, and how far it reaches so far.
        let mut star = None;
        loop {
            match self.pieces.get(piece) {
                Some(Piece::Any) => {
                    piece += 1;
                    star = Some((piece, at));
                    continue;
                }
                Some(Piece::One) if at < text.len() => (piece, at) = (piece + 1, at + 1),
                Some(Piece::Code(code)) if text.get(at) == Some(code) => (piece, at) = (piece + 1, at + 1),
                None if at == text.len() => return true,
                _ => match star {
                    Some((behind, reach)) if reach < text.len() => {
                        star = Some((behind, reach + 1));
                        (piece, at) = (behind, reach + 1);
                    }
                    _ => return false,
                },
            }
        }
    }

    /// The same pattern for `GLOB`, which has classes in brackets besides.
    pub fn sqlite(&self) -> String {
        self.text.replace('[', "[[]")
    }
}

/// The characters, as SQLite reads them for `GLOB`: up to the first zero; a byte that begins none is one by
/// itself; what begins like one and is none, is U+FFFD.
fn codes(text: &[u8]) -> impl Iterator<Item = u32> {
    let mut bytes = text.iter().copied().take_while(|&byte| byte != 0).peekable();
    std::iter::from_fn(move || {
        let first = bytes.next()?;
        let bits = match first {
            ..0xC0 => return Some(u32::from(first)),
            0xC0..0xE0 => first & 0x1F,
            0xE0..0xF0 => first & 0x0F,
            0xF0..0xF8 => first & 0x07,
            0xF8..0xFC => first & 0x03,
            0xFC..0xFE => first & 0x01,
            0xFE.. => 0,
        };
        let mut code = u32::from(bits);
        while let Some(next) = bytes.next_if(|byte| byte & 0xC0 == 0x80) {
            code = (code << 6) | u32::from(next & 0x3F);
        }
        let is_none = code < 0x80 || code & 0xFFFF_F800 == 0xD800;
        Some(if is_none { 0xFFFD } else { code })
    })
}
