//! Images from words.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::{Call, Repeat};
use crate::{ErrorKind, LlmError, Provider, Providers, Timeouts, Usage, span};

/// One call for images. Build it with [`ImageRequest::new`]; a field that is not set is the provider's default.
///
/// Which words `size`, `quality` and the like may hold differs from model to model, so they are passed on as they are.
#[derive(Debug, Clone)]
pub struct ImageRequest {
    /// `provider/model`, for example `openai/gpt-image-1`.
    pub model: String,
    pub prompt: String,
    /// How many images. Each is billed.
    pub count: Option<u32>,
    /// For example `1024x1024` or `auto`.
    pub size: Option<String>,
    /// For example `low`, `medium`, `high`.
    pub quality: Option<String>,
    /// `transparent`, `opaque` or `auto`.
    pub background: Option<String>,
    /// `png`, `jpeg` or `webp`.
    pub output_format: Option<String>,
    /// 0 to 100, for `jpeg` and `webp`.
    pub output_compression: Option<u8>,
    /// `low` or `auto`.
    pub moderation: Option<String>,
    /// Asked in this order when `model` certainly made nothing.
    pub fallback_models: Vec<String>,
    /// `first_token` is the time for one try, up to the end of its answer. Both are 10 min by default, as in OpenAI's own
    /// libraries: an image takes minutes, and one that is not waited for may be billed all the same.
    pub timeouts: Timeouts,
}

impl Default for ImageRequest {
    fn default() -> Self {
        let long = Duration::from_secs(600);
        Self {
            model: String::new(),
            prompt: String::new(),
            count: None,
            size: None,
            quality: None,
            background: None,
            output_format: None,
            output_compression: None,
            moderation: None,
            fallback_models: Vec::new(),
            timeouts: Timeouts {
                first_token: long,
                total: long,
            },
        }
    }
}

impl ImageRequest {
    pub fn new(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            prompt: prompt.into(),
            ..Self::default()
        }
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    /// At least one; fewer than were asked for if the provider gave fewer.
    pub images: Vec<Image>,
    /// `provider/model` of the model that answered.
    pub model: String,
    pub provider: String,
    /// `None` if the provider does not say, as with models that are billed by the image.
    pub usage: Option<Usage>,
    /// Upstream calls made: retries and fallback models included.
    pub attempts: u32,
}

impl Images {
    /// What a [`Provider`] answers; the registry adds who it was and how many attempts it took.
    pub fn new(images: Vec<Image>, usage: Option<Usage>) -> Self {
        Self {
            images,
            model: String::new(),
            provider: String::new(),
            usage,
            attempts: 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub data: ImageData,
    /// The prompt that the provider made of the one it was given.
    pub revised_prompt: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
pub enum ImageData {
    /// The file.
    Bytes(Vec<u8>),
    /// Where the file is, for as long as the provider keeps it (an hour with OpenAI). It is not fetched here, and nothing is known
    /// of the address but that the provider named it.
    Url(String),
}

impl ImageData {
    /// The file's type by its first bytes, if it is one that providers make.
    pub fn media_type(&self) -> Option<&'static str> {
        match self {
            Self::Bytes(bytes) if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Some("image/png"),
            Self::Bytes(bytes) if bytes.starts_with(b"\xff\xd8\xff") => Some("image/jpeg"),
            Self::Bytes(bytes)
                if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") =>
            {
                Some("image/webp")
            }
            _ => None,
        }
    }
}

/// Megabytes of numbers help nobody.
impl fmt::Debug for ImageData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Url(url) => f.debug_tuple("Url").field(url).finish(),
        }
    }
}

pub(crate) async fn make(
    providers: &Providers,
    request: &ImageRequest,
) -> Result<Images, LlmError> {
    let call = Call {
        providers,
        operation: span::IMAGES,
        model: &request.model,
        fallback_models: &request.fallback_models,
        timeouts: request.timeouts,
        deadline: Instant::now() + request.timeouts.total,
        attempts: 0,
        repeat: Repeat::UnlessBilled,
    };
    let answer = call
        .run(|provider, model| Box::pin(checked(provider, model, request)))
        .await?;
    if let Some(usage) = &answer.value.usage {
        span::used(&answer.span, usage);
    }
    Ok(Images {
        model: answer.name.full.to_owned(),
        provider: answer.name.provider.to_owned(),
        attempts: answer.attempts,
        ..answer.value
    })
}

async fn checked(
    provider: &dyn Provider,
    model: &str,
    request: &ImageRequest,
) -> Result<Images, LlmError> {
    let answer = provider.make_images(model, request).await?;
    if answer.images.is_empty() {
        return Err(LlmError {
            usage: answer.usage.unwrap_or_default(),
            ..LlmError::new(
                ErrorKind::MalformedResponse,
                "the provider's answer holds no image",
            )
        });
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let media_type = |bytes: &[u8]| ImageData::Bytes(bytes.into()).media_type();
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\n..."), Some("image/png"));
        assert_eq!(media_type(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(
            media_type(b"RIFF\x01\x02\x03\x04WEBPVP8 "),
            Some("image/webp")
        );
        for unknown in [
            b"RIFF\x01\x02\x03\x04WAVE".as_slice(),
            b"",
            b"RIFF",
            b"<svg/>",
        ] {
            assert_eq!(media_type(unknown), None);
        }
        assert_eq!(ImageData::Url("https://h/x.png".into()).media_type(), None);
    }

    #[test]
    fn a_file_is_not_printed() {
        let image = Image {
            data: ImageData::Bytes(vec![7; 5000]),
            revised_prompt: None,
        };
        assert_eq!(
            format!("{image:?}"),
            "Image { data: Bytes(5000 bytes), revised_prompt: None }"
        );
    }
}
