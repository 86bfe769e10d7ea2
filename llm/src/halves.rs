//! Half characters.
//!
//! JSON writes a character beyond the basic plane as two escapes, 🦀 as `\ud83e\udd80`. A server that cuts its text by
//! UTF-16 units sends the two in two events. Each is JSON (RFC 8259, section 8.2) but no Rust string can hold it, so a
//! half travels as a stand-in from the end of the private use plane until its other half arrives.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::ChatEvent;

/// U+D800..=U+DFFF stand here meanwhile, where no character was ever assigned or is known to be in private use.
const STAND_IN: u32 = 0x10_F800;
const FIRST: u32 = 0xD800;
const LOW: u32 = 0xDC00;
const LAST: u32 = 0xDFFF;

/// Replaces each escape of a lone half in a JSON text by its stand-in.
pub(crate) fn shelter(json: &str) -> Cow<'_, str> {
    if !json.contains("\\ud") && !json.contains("\\uD") {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        rest = match (unit(escape), unit(escape.get(6..).unwrap_or_default())) {
            (Some(high), Some(low))
                if (FIRST..LOW).contains(&high) && (LOW..=LAST).contains(&low) =>
            {
                out.push_str(&escape[..12]);
                &escape[12..]
            }
            (Some(half), _) if (FIRST..=LAST).contains(&half) => {
                out.extend(char::from_u32(STAND_IN + half - FIRST));
                &escape[6..]
            }
            // Two characters make any other escape, or begin it.
            _ => {
                let end = escape.chars().take(2).map(char::len_utf8).sum();
                out.push_str(&escape[..end]);
                &escape[end..]
            }
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The UTF-16 unit of an escape `\uXXXX` at the beginning of the text.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Which of an answer's texts a half belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Text,
    Reasoning,
    Arguments(usize),
}

/// Puts the halves of a stream together again.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    /// The first half of a character, where its second half is awaited.
    waiting: BTreeMap<Place, u32>,
}

impl Joiner {
    /// The event with whole characters only; `None` if nothing is left of it for now.
    pub(crate) fn join(&mut self, mut event: ChatEvent) -> Option<ChatEvent> {
        let (place, text) = match &mut event {
            ChatEvent::Text(text) => (Place::Text, text),
            ChatEvent::Reasoning(text) => (Place::Reasoning, text),
            ChatEvent::ToolCallArguments { index, json } => (Place::Arguments(*index), json),
            _ => return Some(event),
        };
        // Every stand-in begins with this byte in UTF-8, and hardly anything else does.
        if text.as_bytes().contains(&0xF4) || self.waiting.contains_key(&place) {
            *text = self.mend(place, text);
        }
        (!text.is_empty()).then_some(event)
    }

    fn mend(&mut self, place: Place, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut waiting = self.waiting.remove(&place);
        for c in text.chars() {
            let half = u32::from(c)
                .checked_sub(STAND_IN)
                .map(|offset| FIRST + offset);
            match (waiting.take(), half) {
                (Some(high), Some(low)) if low >= LOW => {
                    out.extend(char::from_u32(
                        0x1_0000 + ((high - FIRST) << 10) + (low - LOW),
                    ));
                    continue;
                }
                (Some(_), _) => out.push(char::REPLACEMENT_CHARACTER),
                (None, _) => {}
            }
            match half {
                None => out.push(c),
                Some(high) if high < LOW => waiting = Some(high),
                Some(_) => out.push(char::REPLACEMENT_CHARACTER),
            }
        }
        // A first half whose second never comes is dropped with the stream.
        self.waiting.extend(waiting.map(|half| (place, half)));
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn lone_halves_and_nothing_else_are_sheltered() {
        for whole in [
            "{}",
            r#""\ud83e\udd80 \n \\ud83e \u00e9""#,
            r#""\uD83E\uDD80""#,
            "\"\\",
            "\"\\ué",
            "\\u",
            "\\ud83",
        ] {
            assert_eq!(shelter(whole), whole);
        }
        assert_eq!(shelter(r#""\ud83e""#), "\"\u{10f83e}\"");
        assert_eq!(shelter(r#""\udd80\ud83e\ud83e\udd80""#).chars().count(), 16);
        assert!(serde_json::from_str::<Value>(&shelter(r#"{"a":"\udd80x\ud83e"}"#)).is_ok());
    }

    fn through(texts: &[String]) -> String {
        let mut joiner = Joiner::default();
        texts
            .iter()
            .map(|text| serde_json::from_str::<String>(&shelter(text)).unwrap())
            .filter_map(|text| joiner.join(ChatEvent::Text(text)))
            .map(|event| match event {
                ChatEvent::Text(text) => text,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_half_that_stays_alone_is_shown_as_such() {
        assert_eq!(
            through(&[
                r#""a\udd80b""#.into(),
                r#""\ud83e""#.into(),
                r#""c""#.into()
            ]),
            "a\u{fffd}b\u{fffd}c"
        );
    }

    proptest! {
        #[test]
        fn a_text_cut_anywhere_comes_out_whole(text in "(\\PC|🦀|😀|\\\\|\"){0,40}", size in 1usize..5) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let cut: Vec<String> = units
                .chunks(size)
                .map(|units| format!("\"{}\"", units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>()))
                .collect();
            prop_assert_eq!(through(&cut), text);
        }

        #[test]
        fn any_text_is_taken(text in "(\\PC|\\\\|u|d|8|\\\\ud83e){0,40}") {
            shelter(&text);
        }
    }
}
