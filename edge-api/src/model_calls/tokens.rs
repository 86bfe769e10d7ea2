//! Tokens, guessed from text: before a call, and where a provider does not come to count them.

use llm::{ChatRequest, Message, Part, Usage};

/// Characters of an average token; the database reckons alike (edge.begin_model_call).
const CHARS_PER_TOKEN: usize = 4;

pub fn of_text(chars: usize) -> u64 {
    chars.div_ceil(CHARS_PER_TOKEN) as u64
}

/// What a request will probably be counted as.
pub fn of_request(request: &ChatRequest) -> u64 {
    let length = |text: &str| text.chars().count();
    let turns: usize = request
        .messages
        .iter()
        .map(|message| match message {
            Message::User { content } => of_parts(content),
            Message::Assistant {
                content,
                tool_calls,
            } => {
                of_parts(content)
                    + tool_calls
                        .iter()
                        .map(|call| length(&call.arguments))
                        .sum::<usize>()
            }
            Message::Tool { content, .. } => length(content),
        })
        .sum();
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
    of_text(turns + system + schema + tools)
}

fn of_parts(parts: &[Part]) -> usize {
    parts
        .iter()
        .map(|part| match part {
            Part::Text { text } => text.chars().count(),
            _ => 0,
        })
        .sum()
}

/// What a call took that was broken off, or whose provider never counts: what was said to have been used so far, and at least what can be seen.
pub fn of_what_was_seen(counted: &Usage, input: u64, output_chars: usize) -> Usage {
    Usage {
        input_tokens: match counted.input_tokens {
            0 => input,
            counted => counted,
        },
        output_tokens: counted.output_tokens.max(of_text(output_chars)),
        ..*counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_characters() {
        let request = ChatRequest::new("openai/x").system("12345678").user("1234");
        assert_eq!(of_request(&request), 3);
    }

    #[test]
    fn what_was_counted_goes_before_what_was_guessed() {
        let nothing = of_what_was_seen(&Usage::default(), 7, 9);
        assert_eq!((nothing.input_tokens, nothing.output_tokens), (7, 3));
        let counted = Usage {
            input_tokens: 5,
            output_tokens: 1,
            cached_input_tokens: 2,
            ..Usage::default()
        };
        let begun = of_what_was_seen(&counted, 7, 40);
        assert_eq!(
            (
                begun.input_tokens,
                begun.output_tokens,
                begun.cached_input_tokens
            ),
            (5, 10, 2)
        );
    }
}
