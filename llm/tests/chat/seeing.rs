//! Pictures that a model is shown.

use llm::{ChatRequest, Message, Part, Picture};
use serde_json::{Value, json};

use crate::support::{MODELS, Socket, answer, providers};

#[tokio::test]
async fn a_picture_is_shown_in_each_format() {
    // aimock keeps only words, so the requests are read from the wire.
    let picture = Picture::Data {
        media_type: "image/png".into(),
        base64: "iVBORw0KGgo=".into(),
    };
    let openai = json!([
        { "type": "text", "text": "What is this?" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } },
    ]);
    let written = [
        ("/messages/0/content", openai.clone()),
        (
            "/messages/0/content",
            json!([
                { "type": "text", "text": "What is this?" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo=" } },
            ]),
        ),
        (
            "/contents/0/parts",
            json!([
                { "text": "What is this?" },
                { "inlineData": { "mimeType": "image/png", "data": "iVBORw0KGgo=" } },
            ]),
        ),
        ("/messages/0/content", openai),
    ];
    for (model, (place, content)) in MODELS.into_iter().zip(written) {
        let socket = Socket::start(vec![answer()]).await;
        let mut request = ChatRequest::new(model);
        request.messages.push(Message::User {
            content: vec![Part::text("What is this?"), Part::Image(picture.clone())],
        });
        let answer = providers(socket.url()).complete(&request).await.unwrap();
        assert_eq!(answer.text, "hi", "{model}");
        let sent = socket.requests().remove(0);
        let body: Value = serde_json::from_str(sent.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body.pointer(place), Some(&content), "{model}: {body}");
    }
}
