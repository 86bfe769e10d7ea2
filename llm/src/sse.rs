//! Server-sent events, as the WHATWG reads them: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>.
//!
//! The parser is total: any bytes in any chunks give events, and the same bytes give the same events however they are cut.

/// One event. `id` and `retry` serve reconnecting, which no model's API knows, and are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub data: String,
}

/// The event in the making has grown beyond the parser's limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// No model's event comes near this; what does is not an event stream.
const DEFAULT_LIMIT: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Parser {
    /// The line that is not ended yet.
    line: Vec<u8>,
    /// The data lines of the event that is not ended yet, each with its line feed.
    data: String,
    /// The last byte was a carriage return, so a line feed now belongs to it.
    after_return: bool,
    /// Nothing was read yet but a possible byte order mark.
    at_start: bool,
    limit: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }
}

impl Parser {
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            data: String::new(),
            after_return: false,
            at_start: true,
            limit,
        }
    }

    /// Reads more bytes and appends the events that end in them.
    pub(crate) fn push(&mut self, mut chunk: &[u8], out: &mut Vec<Event>) -> Result<(), TooLarge> {
        if self.after_return && !chunk.is_empty() {
            self.after_return = false;
            chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
        }
        while let Some(end) = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let is_return = chunk[end] == b'\r';
            self.check(end)?;
            if self.line.is_empty() {
                self.end_line(&chunk[..end], out);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&chunk[..end]);
                self.end_line(&line, out);
                line.clear();
                self.line = line;
            }
            chunk = &chunk[end + 1..];
            if is_return {
                match chunk.first() {
                    Some(b'\n') => chunk = &chunk[1..],
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
        }
        self.check(chunk.len())?;
        self.line.extend_from_slice(chunk);
        Ok(())
    }

    /// The bytes are over. The standard drops an event that no blank line ends; providers that forget the line exist,
    /// and a half event is not valid JSON, so it is given out here.
    pub(crate) fn finish(&mut self) -> Option<Event> {
        let mut out = Vec::new();
        let line = std::mem::take(&mut self.line);
        self.end_line(&line, &mut out);
        self.end_line(b"", &mut out);
        out.pop()
    }

    fn check(&self, more: usize) -> Result<(), TooLarge> {
        if self.line.len() + self.data.len() + more > self.limit {
            Err(TooLarge)
        } else {
            Ok(())
        }
    }

    fn end_line(&mut self, mut line: &[u8], out: &mut Vec<Event>) {
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            if !self.data.is_empty() {
                let mut data = std::mem::take(&mut self.data);
                data.pop();
                out.push(Event { data });
            }
            return;
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        if field == b"data" {
            // A line is decoded as a whole, so a character that two chunks share is never torn.
            self.data.push_str(&String::from_utf8_lossy(
                value.strip_prefix(b" ").unwrap_or(value),
            ));
            self.data.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for chunk in chunks {
            parser.push(chunk, &mut out).unwrap();
        }
        out.extend(parser.finish());
        out.into_iter().map(|event| event.data).collect()
    }

    fn parse_text(text: &str) -> Vec<String> {
        parse([text.as_bytes()])
    }

    #[test]
    fn reads_what_the_standard_shows() {
        assert_eq!(
            parse_text("data: YHOO\ndata: +2\ndata: 10\n\n"),
            ["YHOO\n+2\n10"]
        );
        assert_eq!(
            parse_text(": comment\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n"),
            ["first", "second", " third"]
        );
        assert_eq!(parse_text("data\n\ndata\ndata\n\ndata:"), ["", "\n", ""]);
        assert_eq!(
            parse_text("\u{feff}data: x\r\n\r\ndata: y\r\rdata: z\n\n"),
            ["x", "y", "z"]
        );
        assert_eq!(
            parse_text("event: ping\n\nretry: 5\n\nfoo: bar\n\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn an_event_that_nobody_ended_is_given_out_at_the_end() {
        assert_eq!(parse_text("data: {\"a\":1}"), ["{\"a\":1}"]);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::with_limit(8);
        assert_eq!(parser.push(b"data: 123", &mut Vec::new()), Err(TooLarge));
        let mut parser = Parser::with_limit(8);
        let mut out = Vec::new();
        for _ in 0..100 {
            parser.push(b"data:1\n\n", &mut out).unwrap();
        }
        assert_eq!(out.len(), 100);
        assert_eq!(
            parser.push(b"data:1\ndata:2\ndata:3\ndata:4\n", &mut out),
            Err(TooLarge)
        );
    }

    /// The standard's algorithm in its own words, over the whole text at once.
    fn oracle(bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        let (mut events, mut data) = (Vec::new(), Vec::new());
        for line in lines.split('\n').chain([""]) {
            if line.is_empty() {
                if !data.is_empty() {
                    events.push(std::mem::take(&mut data).join("\n"));
                }
            } else {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                if field == "data" {
                    data.push(value.strip_prefix(' ').unwrap_or(value).to_owned());
                }
            }
        }
        events
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"data".to_vec()),
            Just(b"data: ".to_vec()),
            Just(b"event: x".to_vec()),
            Just(b":".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just("\u{feff}".as_bytes().to_vec()),
            Just("żółć 🦀 日本".as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_cutting_of_any_bytes_gives_what_the_standard_gives(bytes in stream(), cuts in proptest::collection::vec(1usize..7, 1..50)) {
            let whole = parse([&bytes[..]]);
            prop_assert_eq!(&whole, &oracle(&bytes));

            let mut rest = &bytes[..];
            let mut chunks = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(parse(chunks), whole);
        }
    }
}
