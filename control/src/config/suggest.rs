//! What somebody may have meant: the known words nearest to an unknown one.

/// How a refusal goes on: the nearest words, or all of them if none is near.
pub(crate) fn hint(word: &str, known: &[&str]) -> String {
    let mut names: Vec<&str> = Vec::new();
    known.iter().filter(|name| !name.is_empty()).for_each(|name| {
        if !names.contains(name) {
            names.push(name);
        }
    });
    match nearest(word, &names).as_slice() {
        [] if names.is_empty() => String::new(),
        [] if names.len() > MOST_TOLD => {
            format!("; known: {} and {} more", names[..MOST_TOLD].join(", "), names.len() - MOST_TOLD)
        }
        [] => format!("; known: {}", names.join(", ")),
        near => format!("; did you mean {}?", near.join(" or ")),
    }
}

/// Most names that are told where none is near: a machine may have thousands of VLANs.
const MOST_TOLD: usize = 40;

/// The nearest known words: one or two slips away, or one the beginning of the other.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    let allowed = if word.chars().count() > 4 { 2 } else { 1 };
    let scored: Vec<(usize, &str)> = known.iter().map(|&candidate| (distance(word, candidate), candidate)).collect();
    let best = scored.iter().map(|&(slips, _)| slips).min().unwrap_or(usize::MAX);
    if best <= allowed {
        return scored.into_iter().filter(|&(slips, _)| slips == best).map(|(_, candidate)| candidate).collect();
    }
    let begins = |candidate: &str| word.len() > 1 && (candidate.starts_with(word) || word.starts_with(candidate));
    known.iter().copied().filter(|candidate| begins(candidate)).collect()
}

/// Optimal string alignment distance: insert, delete, replace, or swap two neighbours.
fn distance(a: &str, b: &str) -> usize {
    /// Longer words are no slip of a key.
    const LONGEST: usize = 64;
    let a: Vec<char> = a.chars().map(dash_is_underscore).take(LONGEST).collect();
    let b: Vec<char> = b.chars().map(dash_is_underscore).take(LONGEST).collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

fn dash_is_underscore(letter: char) -> char {
    if letter == '-' { '_' } else { letter.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        assert_eq!(distance("schedular", "scheduler"), 1);
        assert_eq!(distance("mtu", "mut"), 1);
        assert_eq!(distance("main-cpu", "main_cpu"), 0);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn hints() {
        let known = ["weight", "address", "via", "vip"];
        assert_eq!(hint("wieght", &known), "; did you mean weight?");
        assert_eq!(hint("vi", &known), "; did you mean via or vip?");
        assert_eq!(hint("addr", &known), "; did you mean address?");
        assert_eq!(hint("zzzzzz", &known), "; known: weight, address, via, vip");
        assert_eq!(hint("wan9", &["wan", "wan"]), "; did you mean wan?");
        assert_eq!(hint("dmz", &["wan", "wan", ""]), "; known: wan");
        assert_eq!(hint("dmz", &[]), "");
    }
}
