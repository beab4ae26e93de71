//! What somebody probably meant who mistyped a word, and how such a word is shown.

/// The candidate that is a slip of the fingers away from the word.
pub fn nearest(word: &str, candidates: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    if word.len() > LONGEST {
        return None;
    }
    let most = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (slips(&word, &candidate.chars().collect::<Vec<_>>()), candidate))
        // A word of which no letter stays is no slip.
        .filter(|&(slips, candidate)| slips <= most && slips < candidate.len().min(word.len()))
        .min_by_key(|&(slips, _)| slips)
        .map(|(_, candidate)| candidate)
}

/// The beginning of something written, short enough to stand in a sentence.
pub fn shown(written: &str) -> String {
    match written.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &written[..end]),
        None => written.to_owned(),
    }
}

/// How many letters were left out, added, mistaken or swapped with their neighbour.
fn slips(word: &[char], candidate: &[char]) -> usize {
    // Rows of the usual table: two before, one before, this one.
    let mut older = Vec::new();
    let mut last: Vec<usize> = (0..=candidate.len()).collect();
    for i in 1..=word.len() {
        let mut row = vec![i];
        for j in 1..=candidate.len() {
            let mistaken = usize::from(word[i - 1] != candidate[j - 1]);
            let mut fewest = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + mistaken);
            if i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1] {
                fewest = fewest.min(older[j - 2] + 1);
            }
            row.push(fewest);
        }
        older = std::mem::replace(&mut last, row);
    }
    last[candidate.len()]
}

/// In characters; longer words are not looked at.
const LONGEST: usize = 60;
