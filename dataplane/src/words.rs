//! Small words of texts for people.

/// A number with what it counts: `1 change`, `2 changes`, `2 entries`.
#[must_use]
pub fn counted(number: u64, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        let said = |what: &str| [0, 1, 2].map(|number| counted(number, what));
        assert_eq!(said("change"), ["0 changes", "1 change", "2 changes"]);
        assert_eq!(said("entry"), ["0 entries", "1 entry", "2 entries"]);
    }
}
