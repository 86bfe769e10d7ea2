//! The name that an author probably meant.

/// Longer names are not compared; nobody mistypes them by one letter. One bit for each letter.
const LONGEST: usize = 64;

/// The candidate nearest to `name`, when it is near enough to be worth a guess: at most a third
/// of the letters differ. The first of several wins.
pub(crate) fn suggestion<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let letters = Letters::of(name);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.len() > LONGEST {
            continue;
        }
        let most = name.len().max(candidate.len()) / 3;
        let limit = best.map_or(most, |(distance, _)| most.min(distance.saturating_sub(1)));
        if name.len().abs_diff(candidate.len()) > limit {
            continue;
        }
        let distance = letters.distance(candidate);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A name of 1 to 64 bytes: for every byte, at which places it stands.
struct Letters {
    places: [u64; 256],
    length: usize,
}

impl Letters {
    fn of(name: &str) -> Letters {
        let mut places = [0; 256];
        for (place, byte) in name.bytes().enumerate() {
            places[usize::from(byte.to_ascii_lowercase())] |= 1 << place;
        }
        Letters {
            places,
            length: name.len(),
        }
    }

    /// Edit distance with transpositions of neighbours (optimal string alignment), upper and lower
    /// case being equal. Bytes, not characters: a guess need not be exact.
    ///
    /// A whole column of the textbook's table is computed at once, as differences of one bit each:
    /// H. Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances",
    /// Nordic Journal of Computing 10 (2003). A workflow may name a thousand steps that do not
    /// exist, beside a thousand that do.
    fn distance(&self, other: &str) -> usize {
        let last = 1 << (self.length - 1);
        let mut distance = self.length;
        let (mut more, mut less) = (u64::MAX, 0_u64);
        let (mut diagonal, mut previous) = (0_u64, 0_u64);
        for byte in other.bytes() {
            let equal = self.places[usize::from(byte.to_ascii_lowercase())];
            let swapped = ((!diagonal & equal) << 1) & previous;
            diagonal = ((equal & more).wrapping_add(more) ^ more) | equal | less | swapped;
            let up = less | !(diagonal | more);
            let down = diagonal & more;
            distance += usize::from(up & last != 0);
            distance -= usize::from(down & last != 0);
            let (up, down) = ((up << 1) | 1, down << 1);
            more = down | !(diagonal | up);
            less = up & diagonal;
            previous = equal;
        }
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_name() {
        let names = ["fetch", "summarise", "notify"];
        assert_eq!(suggestion("fecth", names.into_iter()), Some("fetch"));
        assert_eq!(suggestion("Notify", names.into_iter()), Some("notify"));
        assert_eq!(
            suggestion("summarize", names.into_iter()),
            Some("summarise")
        );
        assert_eq!(suggestion("charge", names.into_iter()), None);
        assert_eq!(suggestion("", names.into_iter()), None);
        assert_eq!(suggestion(&"x".repeat(100), names.into_iter()), None);
    }

    /// The textbook's table, row by row.
    fn by_table(left: &str, right: &str) -> usize {
        let (left, right) = (left.to_ascii_lowercase(), right.to_ascii_lowercase());
        let (left, right) = (left.as_bytes(), right.as_bytes());
        let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
        for i in 0..=left.len() {
            for j in 0..=right.len() {
                table[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let replaced = table[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                    let mut least = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]
                    {
                        least = least.min(table[i - 2][j - 2] + 1);
                    }
                    least
                };
            }
        }
        table[left.len()][right.len()]
    }

    proptest::proptest! {
        #[test]
        fn distances_are_those_of_the_textbook(left in "[abAé]{1,32}", right in "[abBé]{0,32}") {
            proptest::prop_assert_eq!(Letters::of(&left).distance(&right), by_table(&left, &right));
        }
    }
}
