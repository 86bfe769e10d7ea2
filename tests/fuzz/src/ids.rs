//! UUIDs wherever they stand in a text.

use std::ops::Range;

use uuid::Uuid;

/// Every UUID in a text, in either case, with its hyphens or without: where it stands, and which it is.
pub fn uuids(text: &str) -> Vec<(Range<usize>, Uuid)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match uuid_at(text, at) {
            Some((end, id)) => {
                found.push((at..end, id));
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// The UUID that begins here and where it ends. A longer run of hexadecimal digits is something else.
pub fn uuid_at(text: &str, at: usize) -> Option<(usize, Uuid)> {
    let bytes = text.as_bytes();
    let is_hex = |position: usize| bytes.get(position).is_some_and(u8::is_ascii_hexdigit);
    // Behind an encoded bracket, as in `%7B0190f065-…`, the digits are the bracket's.
    let is_behind_encoded = at >= 3 && bytes[at - 3] == b'%';
    if at > 0 && is_hex(at - 1) && !is_behind_encoded {
        return None;
    }
    // Eight digits come first in either form.
    if !(at..at + 8).all(is_hex) {
        return None;
    }
    let end = if bytes.get(at + 8) == Some(&b'-') {
        at + 36
    } else {
        at + 32
    };
    if end > bytes.len() || is_hex(end) || !text.is_char_boundary(end) {
        return None;
    }
    Uuid::try_parse(&text[at..end]).ok().map(|id| (end, id))
}

/// A text with some of its UUIDs exchanged, each in the form in which it was written.
pub fn exchange(text: &str, mut other: impl FnMut(Uuid) -> Option<Uuid>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (range, id) in uuids(text) {
        let Some(new) = other(id) else { continue };
        let old = &text[range.clone()];
        let mut written = if old.len() == 32 {
            new.simple().to_string()
        } else {
            new.hyphenated().to_string()
        };
        if old.bytes().any(|byte| byte.is_ascii_uppercase()) {
            written.make_ascii_uppercase();
        }
        out.push_str(&text[copied..range.start]);
        out.push_str(&written);
        copied = range.end;
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use uuid::uuid;

    use super::{exchange, uuids};

    #[test]
    fn ids_are_found_in_every_form_and_nowhere_else() {
        let id = uuid!("0190f065-0000-7000-8000-00030000000a");
        let text = "a=eq.0190f065-0000-7000-8000-00030000000a&b=0190F065-0000-7000-8000-00030000000A,0190f06500007000800000030000000a";
        assert_eq!(
            uuids(text)
                .into_iter()
                .map(|(_, found)| found)
                .collect::<Vec<_>>(),
            [id; 3]
        );
        // A hash is no id, and neither is one that was cut short.
        let hash = "0190f06500007000800000030000000a0190f06500007000800000030000000a";
        assert!(uuids(hash).is_empty());
        assert!(uuids("0190f065-0000-7000-8000-00030000000").is_empty());
        assert_eq!(uuids("eq(any).%7B0190f065-0000-7000-8000-00030000000a,0190f065-0000-7000-8000-00030000000a%7D").len(), 2);
        assert!(uuids("ä0190f065-0000-7000-8000-00030000000ä").is_empty());
    }

    #[test]
    fn an_exchanged_id_keeps_its_form() {
        let from = uuid!("0190f065-0000-7000-8000-00030000000a");
        let to = uuid!("0190f065-0000-7000-8000-80030000000b");
        let swap = |id| (id == from).then_some(to);
        assert_eq!(
            exchange(
                "x 0190f065-0000-7000-8000-00030000000a 0190F06500007000800000030000000A y",
                swap
            ),
            "x 0190f065-0000-7000-8000-80030000000b 0190F06500007000800080030000000B y"
        );
        assert_eq!(exchange("nothing here", swap), "nothing here");
    }
}
