use crate::error::ApiError;

/// A provider that a tenant can have a key of its own to: those that workers know without being told where they are. The check
/// `provider_is_built_in` of the table `provider_keys` says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Anthropic,
    Gemini,
    OpenAi,
}

impl Provider {
    /// By name.
    pub const ALL: [Self; 3] = [Self::Anthropic, Self::Gemini, Self::OpenAi];

    /// # Errors
    /// 404 `no_such_provider`.
    pub fn named(name: &str) -> Result<Self, ApiError> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.name() == name)
            .ok_or(ApiError::NoSuchProvider)
    }

    /// The part of a model's name before the slash.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
        }
    }
}
