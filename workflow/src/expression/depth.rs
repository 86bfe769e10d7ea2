//! Measures how deeply a template nests before it is parsed: the parser, the compiler and the
//! destructor of minijinja's tree all recurse, and not every one of them counts.

use minijinja::machinery::{Token, Tokenizer};

use crate::limits::{MAX_EXPRESSION, MAX_EXPRESSION_DEPTH, MAX_TAGS};

/// Whether the text is a template or a bare expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Template,
    Expression,
}

/// Refuses what is nested too deeply, with a sentence that says so. A text that cannot even be
/// tokenized passes: the parser fails on it at the same place.
pub(crate) fn check_depth(source: &str, shape: Shape) -> Result<(), String> {
    let in_expression = shape == Shape::Expression;
    if in_expression && source.len() > MAX_EXPRESSION {
        return Err(format!(
            "the expression is longer than {MAX_EXPRESSION} bytes"
        ));
    }
    let mut tokens = Tokenizer::new(source, "", in_expression, Default::default());
    let mut tags = 0;
    let mut tag_start = 0;
    // One counter for every open bracket: how many operators are chained inside it so far. Their
    // sum bounds the height of the tree. A comma starts a new chain.
    let mut chains = vec![0_usize];
    let mut depth = 0;
    while let Ok(Some((token, span))) = tokens.next_token() {
        match token {
            Token::TemplateData(_) => continue,
            Token::VariableStart | Token::BlockStart => {
                tags += 1;
                if tags > MAX_TAGS {
                    return Err(format!("the template has more than {MAX_TAGS} tags"));
                }
                tag_start = span.start_offset;
                chains.clear();
                chains.push(0);
                depth = 0;
            }
            Token::VariableEnd | Token::BlockEnd => {
                let length = span.end_offset.saturating_sub(tag_start) as usize;
                if length > MAX_EXPRESSION {
                    return Err(format!("a tag is longer than {MAX_EXPRESSION} bytes"));
                }
            }
            Token::Comma | Token::Colon => {
                if let Some(chain) = chains.last_mut() {
                    depth -= *chain;
                    *chain = 0;
                }
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose if chains.len() > 1 => {
                depth -= chains.pop().unwrap_or(0);
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                // The bracket is one level of its own, and counts for what follows it as well,
                // since `f(a)(b)` nests to the left.
                if let Some(chain) = chains.last_mut() {
                    *chain += 1;
                }
                depth += 1;
                chains.push(0);
            }
            Token::Ident("not" | "and" | "or" | "if" | "else" | "is" | "in")
            | Token::Dot
            | Token::Pipe
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Tilde
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte => {
                if let Some(chain) = chains.last_mut() {
                    *chain += 1;
                }
                depth += 1;
            }
            _ => {}
        }
        if depth > MAX_EXPRESSION_DEPTH {
            return Err(format!(
                "the expression chains or nests more than {MAX_EXPRESSION_DEPTH} operators"
            ));
        }
    }
    Ok(())
}
