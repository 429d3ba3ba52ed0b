//! What was probably meant by a name that is none.

/// The candidate that is the fewest changes away from `name`, if that is close enough to have been meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances =
        candidates.into_iter().map(|candidate| (edit_distance(name.as_bytes(), candidate.as_bytes()), candidate));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.max(name.len() / 3)).then_some(nearest)
}

/// Levenshtein's distance, a row at a time.
fn edit_distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (deleted, &a) in from.iter().enumerate() {
        let mut diagonal = deleted;
        let mut left = deleted + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (&b, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            left = (diagonal + usize::from(a != b)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance() {
        assert_eq!(edit_distance(b"eth0", b"eth0"), 0);
        assert_eq!(edit_distance(b"eth", b"eth0"), 1);
        assert_eq!(edit_distance(b"kitten", b"sitting"), 3);
        assert_eq!(edit_distance(b"", b"lo"), 2);
    }

    #[test]
    fn only_what_is_close_was_meant() {
        assert_eq!(nearest("bufer", ["buffer", "filter"]), Some("buffer"));
        assert_eq!(nearest("something", ["buffer", "filter"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
