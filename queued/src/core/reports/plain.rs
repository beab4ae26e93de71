//! Texts from outside in letters: one line without control characters for headers, wrapped for bodies.

/// The text as one line: line breaks, control characters and what turns the direction of writing
/// become spaces, runs of spaces one; at most so many characters.
pub fn line(text: &str, most: usize) -> String {
    let spaced: String = text.chars().map(|character| if is_odd(character) { ' ' } else { character }).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let joined = words.join(" ");
    match joined.char_indices().nth(most) {
        None => joined,
        Some(_) => joined.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Whether a character has no place in a line: it moves, turns or ends it.
fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text in lines of at most `width` characters, broken at spaces; a longer word is left whole,
/// because a path in two pieces can no longer be pasted.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        // The list has a line from the start and never loses one.
        if let Some(last) = lines.last_mut() {
            if used > 0 {
                last.push(' ');
                used += 1;
            }
            last.push_str(word);
        }
        used += length;
    }
    lines
}

/// A row of a table: the label, and the value beside it on as many lines as it needs.
pub fn row(table: &mut String, label: &str, value: &str) {
    let mut label = label;
    for line in wrap(value, WIDTH - LABEL) {
        let row = format!("{label:<LABEL$}{line}");
        table.push_str(row.trim_end());
        table.push('\n');
        label = "";
    }
}

/// How long a line of a letter shall be at most.
pub const WIDTH: usize = 78;
/// How wide the labels of a table are.
pub const LABEL: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_or_turns_a_line() {
        assert_eq!(line("a\r\nBcc: x\u{2028}b\0c\u{202e}d", 80), "a Bcc: x b c d");
        assert_eq!(line("  spaces   go  ", 80), "spaces go");
    }

    #[test]
    fn a_long_line_ends_in_an_ellipsis_between_characters() {
        assert_eq!(line("äöüäöü", 6), "äöüäöü");
        assert_eq!(line("äöüäöü", 4), "äöü…");
    }

    #[test]
    fn values_are_broken_at_spaces_and_long_words_are_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("/a/very/long/path x", 5), ["/a/very/long/path", "x"]);
        let mut table = String::new();
        row(&mut table, "command", &"word ".repeat(20));
        assert!(table.lines().all(|line| line.len() <= WIDTH), "{table}");
        assert!(table.lines().skip(1).all(|line| line.starts_with(&" ".repeat(LABEL))), "{table}");
    }
}
