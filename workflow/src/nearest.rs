//! The name that an author probably meant.

/// Longer names are not compared; nobody mistypes them by one letter.
const LONGEST: usize = 64;

/// The candidate nearest to `name`, when it is near enough to be worth a guess: at most a third
/// of the letters differ. The first of several wins.
pub(crate) fn suggestion<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
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
        let distance = distance(name, candidate);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Edit distance with transpositions of neighbours (optimal string alignment), upper and lower
/// case being equal. Bytes, not characters: a guess need not be exact.
fn distance(left: &str, right: &str) -> usize {
    let right = right.as_bytes();
    let mut two_back = [0_usize; LONGEST + 1];
    let mut back = [0_usize; LONGEST + 1];
    let mut row = [0_usize; LONGEST + 1];
    for (index, cell) in back.iter_mut().enumerate() {
        *cell = index;
    }
    let mut previous = 0_u8;
    for (index, byte) in left.bytes().enumerate() {
        row[0] = index + 1;
        for (at, other) in right.iter().enumerate() {
            let is_other = usize::from(!byte.eq_ignore_ascii_case(other));
            let mut least = (back[at] + is_other).min(back[at + 1] + 1).min(row[at] + 1);
            if index > 0 && at > 0 && byte == right[at - 1] && previous == *other {
                least = least.min(two_back[at - 1] + 1);
            }
            row[at + 1] = least;
        }
        previous = byte;
        two_back = back;
        back = row;
    }
    back[right.len()]
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

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (left, right, expected) in [
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
            ("", "abc", 3),
            ("abc", "", 3),
            ("same", "same", 0),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }
}
