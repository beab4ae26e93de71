//! What a job has switched on the person's terminal and not off again: the other screen, the mouse, a
//! hidden cursor. It is the job's to clean up; where the person leaves it behind, the client does.
//!
//! Only the sequences that switch such modes are understood; all others pass unread.

/// The modes that are switched, by their private numbers.
#[derive(Debug, Default)]
pub struct Traces {
    place: Place,
    parameters: Vec<u8>,
    on: Vec<u16>,
    off: Vec<u16>,
    keypad: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Ground,
    Escape,
    Bracket,
    Private,
}

impl Traces {
    /// Takes what the job writes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.place == Place::Ground {
                let Some(at) = find(rest) else {
                    return;
                };
                rest = &rest[at..];
            }
            self.step(rest[0]);
            rest = &rest[1..];
        }
    }

    fn step(&mut self, byte: u8) {
        self.place = match (self.place, byte) {
            (_, ESCAPE) => Place::Escape,
            (Place::Escape, b'[') => Place::Bracket,
            (Place::Escape, b'=') => self.keypad_is(true),
            (Place::Escape, b'>') => self.keypad_is(false),
            (Place::Escape, b'c') => {
                *self = Self::default();
                Place::Ground
            }
            (Place::Bracket, b'?') => {
                self.parameters.clear();
                Place::Private
            }
            (Place::Private, b'0'..=b'9' | b';') if self.parameters.len() < LONGEST => {
                self.parameters.push(byte);
                Place::Private
            }
            (Place::Private, b'h' | b'l') => {
                self.switched(byte == b'h');
                Place::Ground
            }
            _ => Place::Ground,
        };
    }

    fn keypad_is(&mut self, yes: bool) -> Place {
        self.keypad = yes;
        Place::Ground
    }

    fn switched(&mut self, on: bool) {
        let parameters = std::mem::take(&mut self.parameters);
        for number in parameters.split(|byte| *byte == b';') {
            let Some(mode) = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()) else {
                continue;
            };
            self.on.retain(|known| *known != mode);
            self.off.retain(|known| *known != mode);
            let usual = USUALLY_ON.contains(&mode);
            if on != usual && self.on.len() + self.off.len() < MOST {
                if on { self.on.push(mode) } else { self.off.push(mode) }
            }
        }
    }

    /// Whether the screen that is shown is not the shell's.
    pub fn has_other_screen(&self) -> bool {
        self.on.iter().any(|mode| matches!(mode, 47 | 1047 | 1049))
    }

    /// What switches all of it back; nothing where nothing was left switched.
    pub fn undo(&self) -> Vec<u8> {
        let mut text = String::new();
        if self.keypad {
            text.push_str("\x1b>");
        }
        // The other screen was entered first, most likely, and is left last.
        for mode in self.on.iter().rev() {
            text.push_str(&format!("\x1b[?{mode}l"));
        }
        for mode in &self.off {
            text.push_str(&format!("\x1b[?{mode}h"));
        }
        if !text.is_empty() {
            text.insert_str(0, "\x1b[0m");
        }
        text.into_bytes()
    }
}

/// The scan of a stretch without any is many times as fast as looking for a place.
fn find(bytes: &[u8]) -> Option<usize> {
    bytes.contains(&ESCAPE).then(|| bytes.iter().position(|byte| *byte == ESCAPE)).flatten()
}

const ESCAPE: u8 = 0x1b;
/// Wrapping at the margin, and the cursor.
const USUALLY_ON: [u16; 2] = [7, 25];
/// Bytes of numbers in one sequence.
const LONGEST: usize = 64;
/// There are some thirty modes.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(output: &[u8]) -> String {
        let mut all = Vec::new();
        for cut in 0..=output.len() {
            let mut traces = Traces::default();
            traces.feed(&output[..cut]);
            traces.feed(&output[cut..]);
            all.push(traces.undo());
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "a cut matters");
        String::from_utf8(all.remove(0)).expect("ASCII")
    }

    #[test]
    fn what_was_switched_is_switched_back() {
        assert_eq!(undone(b"plain \x1b[31mred\x1b[0m text\r\n"), "");
        assert_eq!(undone(b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?25l"), "\x1b[0m\x1b>\x1b[?1l\x1b[?1049l\x1b[?25h");
        assert_eq!(undone(b"\x1b[?1049h\x1b[?1000;1006h...\x1b[?1006;1000l\x1b[?1049l"), "");
        assert_eq!(undone(b"\x1b[?25l\x1b[?2004h\x1bc"), "");
        assert_eq!(undone(b"\x1b[?\x1b[?7l\x1b[?7h\x1b[>4;2m\x1b[?12;25h"), "\x1b[0m\x1b[?12l");
        assert_eq!(undone(&[b"\x1b[?", &[b'9'; 200][..], b"h"].concat()), "");
    }
}
