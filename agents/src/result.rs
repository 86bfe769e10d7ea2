//! What a model is told of a call, within a size.

/// The text, or as much of its beginning as fits, and a note that there was more.
pub(crate) fn cut(text: String, bytes: usize) -> String {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n[cut: {end} of {} bytes]", &text[..end], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_as_it_was() {
        assert_eq!(cut("abc".to_owned(), 3), "abc");
    }

    #[test]
    fn a_character_is_not_cut_in_two() {
        assert_eq!(cut("aéé".to_owned(), 4), "aé\n[cut: 3 of 5 bytes]");
        assert_eq!(cut("é".to_owned(), 1), "\n[cut: 0 of 2 bytes]");
    }
}
