//! `provider/model`.

use crate::{ErrorKind, LlmError};

/// No provider has names this long; what is longer is a mistake or an attack.
const MAX_LENGTH: usize = 200;

/// The two halves of a model's name. The second may contain slashes (`openrouter/meta-llama/llama-3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelName<'a> {
    pub full: &'a str,
    pub provider: &'a str,
    pub model: &'a str,
}

impl<'a> ModelName<'a> {
    pub(crate) fn parse(full: &'a str) -> Result<Self, LlmError> {
        let invalid = |message: String| LlmError::new(ErrorKind::InvalidModelName, message);
        if full.is_empty() {
            return Err(invalid(
                "no model was given; name one as provider/model, for example openai/gpt-4o-mini"
                    .into(),
            ));
        }
        // The name becomes part of a URL's path with some providers, so it must not be able to leave its place.
        let strange = |c: char| !(c.is_ascii_alphanumeric() || "-_.:/@+".contains(c));
        if full.len() > MAX_LENGTH || full.contains(strange) || full.contains("..") {
            return Err(invalid(format!(
                "the model name may hold letters, digits and -_.:/@+ only, at most {MAX_LENGTH} of them"
            )));
        }
        match full.split_once('/') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => Ok(Self {
                full,
                provider,
                model,
            }),
            _ => Err(invalid(format!(
                "the model name `{full}` does not name its provider; write provider/model, for example openai/{}",
                full.trim_matches('/')
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_slash() {
        let name = ModelName::parse("openrouter/meta-llama/llama-3:free").unwrap();
        assert_eq!(
            (name.provider, name.model),
            ("openrouter", "meta-llama/llama-3:free")
        );
    }

    #[test]
    fn a_bare_name_is_told_how_to_be_written() {
        let error = ModelName::parse("gpt-4o").unwrap_err();
        assert_eq!(error.code(), "invalid_model_name");
        assert!(
            error
                .to_string()
                .contains("write provider/model, for example openai/gpt-4o"),
            "{error}"
        );
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_a_path() {
        for bad in [
            "",
            "gemini/../../files",
            "gemini/a b",
            "gemini/a?key=1",
            "/x",
            "x/",
            "gemini/a#b",
            "gemini/é",
        ] {
            assert_eq!(
                ModelName::parse(bad).unwrap_err().kind,
                ErrorKind::InvalidModelName,
                "{bad}"
            );
        }
        assert!(ModelName::parse(&format!("openai/{}", "x".repeat(300))).is_err());
    }
}
