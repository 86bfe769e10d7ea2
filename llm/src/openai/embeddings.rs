//! `POST /embeddings`: <https://platform.openai.com/docs/api-reference/embeddings/create>.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::{Value, json};

use crate::{EmbeddingRequest, Embeddings, ErrorKind, LlmError, Usage, wire};

/// The vectors come as JSON numbers, which is the default and therefore not said: base64 would be a third of the size, but
/// there are servers that refuse the word (<https://github.com/vllm-project/vllm/issues/5734>) and such that do not heed it
/// (<https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/756>). Both are read, whoever sends which.
pub(super) fn body(model: &str, request: &EmbeddingRequest) -> Value {
    let mut body = json!({ "model": model, "input": request.inputs });
    if let Some(dimensions) = request.dimensions {
        body["dimensions"] = dimensions.into();
    }
    body
}

#[derive(Deserialize)]
pub(super) struct Answer {
    data: Vec<Item>,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: Value,
    embedding: Vector,
}

pub(super) fn read(answer: Answer, inputs: usize) -> Result<Embeddings, LlmError> {
    let usage = answer.usage.is_object().then(|| Usage {
        input_tokens: wire::count(&answer.usage["prompt_tokens"])
            .or_else(|| wire::count(&answer.usage["total_tokens"]))
            .unwrap_or_default(),
        ..Usage::default()
    });
    Ok(Embeddings::new(in_order(answer.data, inputs)?, usage))
}

/// By the index that each item has; by its position if it has none.
fn in_order(items: Vec<Item>, inputs: usize) -> Result<Vec<Vec<f32>>, LlmError> {
    let malformed = |message: &str| LlmError::new(ErrorKind::MalformedResponse, message);
    if items.len() != inputs {
        // The registry says how many there are.
        return Ok(items.into_iter().map(|item| item.embedding.0).collect());
    }
    let mut vectors = vec![None; inputs];
    for (position, item) in items.into_iter().enumerate() {
        let index = match &item.index {
            Value::Null => Some(position),
            index => wire::count(index).and_then(|index| usize::try_from(index).ok()),
        };
        match index.and_then(|index| vectors.get_mut(index)) {
            Some(place @ None) => *place = Some(item.embedding.0),
            _ => {
                return Err(malformed(
                    "the provider's vectors do not say to which inputs they belong",
                ));
            }
        }
    }
    Ok(vectors.into_iter().flatten().collect())
}

struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Numbers)
    }
}

struct Numbers;

impl<'de> Visitor<'de> for Numbers {
    type Value = Vector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers, or base64 of little-endian f32")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vector, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = seq.next_element()? {
            numbers.push(number);
        }
        Ok(Vector(numbers))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vector, E> {
        let bytes = STANDARD.decode(text).map_err(|_| E::custom("not base64"))?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom("not a whole number of f32"));
        }
        let numbers = numbers.iter().copied().map(f32::from_le_bytes);
        Ok(Vector(numbers.collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors(data: &Value) -> Result<Vec<Vec<f32>>, ErrorKind> {
        let inputs = data.as_array().unwrap().len();
        let answer = serde_json::from_value(json!({ "data": data })).unwrap();
        read(answer, inputs)
            .map(|embeddings| embeddings.vectors)
            .map_err(|error| error.kind)
    }

    #[test]
    fn vectors_are_put_in_order() {
        let shuffled = json!([
            { "index": 2, "embedding": [2] },
            { "index": 0.0, "embedding": [0.0] },
            { "index": 1, "embedding": [1e0], "object": "embedding" },
        ]);
        assert_eq!(
            vectors(&shuffled),
            Ok(vec![vec![0.0], vec![1.0], vec![2.0]])
        );
        // Some leave out what is 0, some leave out all of it.
        let silent = json!([{ "embedding": [0] }, { "index": 1, "embedding": [1] }, { "index": null, "embedding": [2] }]);
        assert_eq!(vectors(&silent), Ok(vec![vec![0.0], vec![1.0], vec![2.0]]));
    }

    #[test]
    fn an_order_that_is_none_is_malformed() {
        for (first, second) in [
            (json!(0), json!(0)),
            (json!(0), json!(2)),
            (json!(-1), json!(0)),
            (json!("a"), json!(1)),
        ] {
            let data = json!([{ "index": first, "embedding": [0] }, { "index": second, "embedding": [1] }]);
            assert_eq!(vectors(&data), Err(ErrorKind::MalformedResponse), "{data}");
        }
    }

    #[test]
    fn what_is_not_a_vector_is_refused() {
        for bad in [
            json!("AAA"),
            json!("AAAA"),
            json!("?"),
            json!(null),
            json!([1, null]),
            json!([[1]]),
            json!({}),
        ] {
            assert!(
                serde_json::from_value::<Vector>(bad.clone()).is_err(),
                "{bad}"
            );
        }
    }

    proptest! {
        /// As JSON numbers or as base64, a vector arrives bit for bit.
        #[test]
        fn both_encodings_say_the_same(numbers in proptest::collection::vec(any::<f32>().prop_filter("finite", |n| n.is_finite()), 0..50)) {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            for json in [serde_json::to_string(&numbers).unwrap(), json!(STANDARD.encode(bytes)).to_string()] {
                let read: Vector = serde_json::from_str(&json).unwrap();
                let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&read.0), bits(&numbers));
            }
        }
    }
}
