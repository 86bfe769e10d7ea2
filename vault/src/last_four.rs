/// What people recognise a secret by: its last four characters, when these are a third of it at most. None of a shorter one, of which
/// they would tell too much.
pub fn last_four(value: &str) -> Option<String> {
    let count = value.chars().count();
    (count >= 12).then(|| value.chars().skip(count - 4).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_value_shows_its_end() {
        assert_eq!(last_four("sk_live_abcd1234").as_deref(), Some("1234"));
        assert_eq!(last_four("0123456789ab").as_deref(), Some("89ab"));
        assert_eq!(last_four("0123456789a"), None);
        // Characters, not bytes.
        assert_eq!(last_four("ééééééé"), None);
        assert_eq!(last_four("éééééééééééé").as_deref(), Some("éééé"));
    }
}
