//! `POST /images/generations`: <https://platform.openai.com/docs/api-reference/images/create>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Image, ImageData, ImageRequest, Images, Usage, wire};

/// Only what was asked for: gpt-image models refuse `response_format`, and dall-e refuses what is theirs.
pub(super) fn body(model: &str, request: &ImageRequest) -> Value {
    let mut body = json!({ "model": model, "prompt": request.prompt });
    for (name, value) in [
        ("n", request.count.map(Value::from)),
        ("size", request.size.as_deref().map(Value::from)),
        ("quality", request.quality.as_deref().map(Value::from)),
        ("background", request.background.as_deref().map(Value::from)),
        (
            "output_format",
            request.output_format.as_deref().map(Value::from),
        ),
        (
            "output_compression",
            request.output_compression.map(Value::from),
        ),
        ("moderation", request.moderation.as_deref().map(Value::from)),
    ] {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    body
}

#[derive(Deserialize)]
pub(super) struct Answer {
    data: Vec<Value>,
    #[serde(default)]
    usage: Value,
}

/// What holds no image is passed over: the others are paid.
pub(super) fn read(answer: &Answer) -> Images {
    let images = answer.data.iter().filter_map(|item| {
        Some(Image {
            data: data(item)?,
            revised_prompt: wire::text(&item["revised_prompt"]).map(str::to_owned),
        })
    });
    Images::new(images.collect(), usage(&answer.usage))
}

fn data(item: &Value) -> Option<ImageData> {
    if let Some(text) = wire::text(&item["b64_json"]) {
        // Some servers send a data URL here, some send one below.
        let base64 = in_data_url(text).unwrap_or(text);
        return STANDARD.decode(base64).ok().map(ImageData::Bytes);
    }
    let url = wire::text(&item["url"])?;
    match in_data_url(url) {
        Some(base64) => STANDARD.decode(base64).ok().map(ImageData::Bytes),
        None => Some(ImageData::Url(url.to_owned())),
    }
}

/// The base64 text of a data URL (RFC 2397).
fn in_data_url(url: &str) -> Option<&str> {
    let (kind, data) = url.strip_prefix("data:")?.split_once(',')?;
    kind.ends_with(";base64").then_some(data)
}

/// The words differ from those of chat.
fn usage(usage: &Value) -> Option<Usage> {
    let read = |value: &Value| wire::count(value).unwrap_or_default();
    usage.is_object().then(|| Usage {
        input_tokens: read(&usage["input_tokens"]),
        output_tokens: read(&usage["output_tokens"]),
        cached_input_tokens: read(&usage["input_tokens_details"]["cached_tokens"]),
        cache_write_input_tokens: 0,
        reasoning_tokens: read(&usage["output_tokens_details"]["reasoning_tokens"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_data(data: Value) -> Vec<Image> {
        let answer = serde_json::from_value(json!({ "data": data })).unwrap();
        read(&answer).images
    }

    #[test]
    fn bytes_and_addresses_are_read_and_what_is_neither_is_passed_over() {
        let image = |data, revised: Option<&str>| Image {
            data,
            revised_prompt: revised.map(str::to_owned),
        };
        let bytes = || ImageData::Bytes(b"png".into());
        assert_eq!(
            read_data(json!([
                { "b64_json": "cG5n", "revised_prompt": "better" },
                { "b64_json": "data:image/png;base64,cG5n", "url": null },
                { "url": "data:image/png;base64,cG5n" },
                { "url": "https://h/x.png", "b64_json": "" },
                { "b64_json": "?" },
                { "url": "" },
                {},
                7,
            ])),
            [
                image(bytes(), Some("better")),
                image(bytes(), None),
                image(bytes(), None),
                image(ImageData::Url("https://h/x.png".into()), None),
            ]
        );
    }
}
