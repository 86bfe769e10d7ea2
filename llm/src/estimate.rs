//! Tokens, guessed from what can be seen: to set some aside before a call, and to count where a provider does not come to.

use crate::{ChatRequest, Message, Part};

/// Characters of an average token of English; a guess that is near enough for what is corrected later.
const CHARS_PER_TOKEN: usize = 4;
/// What most providers count a large picture as: <https://platform.openai.com/docs/guides/images-vision#calculating-costs>.
const TOKENS_OF_AN_IMAGE: usize = 1_000;

/// Tokens of a text with so many characters.
pub fn tokens_of_text(chars: usize) -> u64 {
    chars.div_ceil(CHARS_PER_TOKEN) as u64
}

/// What the input of a request will probably be counted as.
pub fn tokens_of_request(request: &ChatRequest) -> u64 {
    let length = |text: &str| text.chars().count();
    let turns: usize = request.messages.iter().map(of_message).sum();
    let system = request.system.as_deref().map_or(0, length);
    let schema = request
        .output_schema
        .as_ref()
        .map_or(0, |schema| schema.to_string().len());
    let tools: usize = request
        .tools
        .iter()
        .map(|tool| length(&tool.description) + tool.parameters.to_string().len())
        .sum();
    tokens_of_text(turns + system + schema + tools)
}

/// In characters.
fn of_message(message: &Message) -> usize {
    let of_parts = |parts: &[Part]| parts.iter().map(of_part).sum::<usize>();
    match message {
        Message::User { content } => of_parts(content),
        Message::Assistant {
            content,
            tool_calls,
        } => {
            let calls = tool_calls.iter().map(|call| call.arguments.chars().count());
            of_parts(content) + calls.sum::<usize>()
        }
        Message::Tool { content, .. } => content.chars().count(),
    }
}

fn of_part(part: &Part) -> usize {
    match part {
        Part::Text { text } => text.chars().count(),
        Part::Image(_) => TOKENS_OF_AN_IMAGE * CHARS_PER_TOKEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Picture;

    #[test]
    fn a_quarter_of_the_characters() {
        let mut request = ChatRequest::new("openai/x").system("12345678").user("1234");
        assert_eq!(tokens_of_request(&request), 3);
        request.messages.push(Message::User {
            content: vec![Part::Image(Picture::Url(String::new()))],
        });
        assert_eq!(tokens_of_request(&request), 1_003);
    }
}
