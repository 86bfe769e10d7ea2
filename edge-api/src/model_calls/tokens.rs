//! What a call took that was broken off, or whose provider never counts.

use llm::{Usage, tokens_of_text};

/// What was counted so far, and at least what can be seen.
pub fn of_what_was_seen(counted: &Usage, input: u64, output_chars: usize) -> Usage {
    Usage {
        input_tokens: match counted.input_tokens {
            0 => input,
            counted => counted,
        },
        output_tokens: counted.output_tokens.max(tokens_of_text(output_chars)),
        ..*counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
