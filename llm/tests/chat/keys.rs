//! Which provider has which key, and that no key is ever shown.

use llm::{ChatRequest, ErrorKind, Providers};

use crate::support::{KEY, MODELS, Reply, Socket, answer, builder, providers};

#[tokio::test]
async fn each_format_shows_the_key_in_its_own_header() {
    for (model, header) in [
        (MODELS[0], format!("authorization: Bearer {KEY}")),
        (MODELS[1], format!("x-api-key: {KEY}")),
        (MODELS[2], format!("x-goog-api-key: {KEY}")),
        (MODELS[3], format!("authorization: Bearer {KEY}")),
    ] {
        let socket = Socket::start(vec![Reply::status(400, &[], "")]).await;
        providers(socket.url())
            .complete(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap_err();
        let sent = socket.requests().remove(0);
        let (line, headers) = sent.split_once("\r\n").unwrap();
        assert!(
            headers.lines().any(|line| line == header),
            "{model}: {sent}"
        );
        assert!(!line.contains(KEY), "{line}");
    }
}

#[tokio::test]
async fn a_key_that_the_provider_repeats_is_taken_out() {
    for model in MODELS {
        let body = format!(
            r#"{{"error":{{"message":"Incorrect API key provided: {KEY}.","type":"authentication_error"}}}}"#
        );
        let socket = Socket::start(vec![Reply::status(401, &[], &body)]).await;
        let error = providers(socket.url())
            .complete(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Authentication, "{model}");
        assert_eq!(
            error.to_string(),
            format!("{model}: Incorrect API key provided: [key].")
        );
        assert!(!format!("{error:?}").contains(KEY));
    }
    assert!(!format!("{:?}", providers("http://h")).contains(KEY));
}

#[tokio::test]
async fn a_key_is_not_carried_to_another_address() {
    let elsewhere = Socket::start(vec![Reply::events(&[])]).await;
    for model in MODELS {
        let socket = Socket::start(vec![Reply::status(
            307,
            &[("Location", elsewhere.url())],
            "",
        )])
        .await;
        let error = providers(socket.url())
            .complete(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap_err();
        assert_eq!(
            error.kind,
            ErrorKind::ProviderError { status: 307 },
            "{model}"
        );
    }
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
}

fn from(variables: &[(&str, &str)]) -> Providers {
    let find = |name: &str| {
        variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Providers::from_variables(find).unwrap()
}

#[tokio::test]
async fn the_environment_says_who_can_be_asked() {
    assert_eq!(from(&[]).names().count(), 0);
    let some = from(&[
        ("OPENAI_API_KEY", " sk-1 "),
        ("GEMINI_API_KEY", ""),
        ("ANTHROPIC_BASE_URL", "http://h"),
    ]);
    assert_eq!(some.names().collect::<Vec<_>>(), ["anthropic", "openai"]);

    let error = some
        .chat(&ChatRequest::new("gemini/x").user("hi"))
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::MissingKey, 0));
    assert_eq!(
        error.to_string(),
        "gemini/x: there is no key for the provider `gemini`; set GEMINI_API_KEY"
    );

    let error = some
        .chat(&ChatRequest::new("mistral/x").user("hi"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownProvider);
    assert!(
        error
            .to_string()
            .contains("known are anthropic, gemini, openai"),
        "{error}"
    );

    let error = some
        .chat(&ChatRequest::new("gpt-4o").user("hi"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidModelName);
}

#[tokio::test]
async fn the_environment_can_name_another_server_that_speaks_openai() {
    let socket = Socket::start(vec![answer()]).await;
    let address = format!("{}/v1", socket.url());
    let both = from(&[
        ("OPENAI_API_KEY", "sk-1"),
        ("OPENAI_COMPATIBLE_BASE_URL", &address),
    ]);
    assert_eq!(
        both.names().collect::<Vec<_>>(),
        ["openai", "openai-compatible"]
    );
    let request = ChatRequest::new("openai-compatible/org/model:8b").user("hi");
    assert_eq!(both.complete(&request).await.unwrap().text, "hi");
    let sent = &socket.requests()[0];
    assert!(sent.contains(r#""model":"org/model:8b""#), "{sent}");
    assert!(!sent.contains("sk-1"), "another's key is not shown: {sent}");

    let key_alone = from(&[("OPENAI_COMPATIBLE_API_KEY", "sk-2")]);
    assert_eq!(key_alone.names().count(), 0, "a key to nowhere");
}

#[tokio::test]
async fn a_fallback_that_is_no_model_is_found_before_it_is_needed() {
    let socket = Socket::start(vec![Reply::status(500, &[], "")]).await;
    let mut request = ChatRequest::new(MODELS[0]).user("hi");
    request.fallback_models = vec!["gpt-4o".into()];
    let error = providers(socket.url()).chat(&request).await.unwrap_err();
    assert_eq!(
        (error.kind, socket.requests().len()),
        (ErrorKind::InvalidModelName, 0)
    );
}

#[tokio::test]
async fn a_provider_without_a_key_gives_way_to_one_with_one() {
    let answer = Reply::events(&[
        r#"{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ]);
    let socket = Socket::start(vec![answer]).await;
    let url = format!("{}/v1", socket.url());
    let providers = from(&[("OPENAI_BASE_URL", &url)]);
    let mut request = ChatRequest::new("anthropic/x").user("hi");
    request.fallback_models = vec!["openai/x".into()];
    let answer = providers.complete(&request).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.attempts), ("hi", 1));
    // An endpoint of one's own may need no key; then none is sent.
    assert!(
        !socket.requests()[0]
            .to_ascii_lowercase()
            .contains("authorization")
    );
}

#[tokio::test]
async fn an_endpoint_that_speaks_openai_can_have_a_name_of_its_own() {
    let answer = Reply::events(&[
        r#"{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ]);
    let socket = Socket::start(vec![answer]).await;
    let providers = builder("http://h")
        .openai_compatible("local", None, &format!("{}/v1/", socket.url()))
        .unwrap();
    let answer = providers
        .build()
        .unwrap()
        .complete(&ChatRequest::new("local/a/b:c").user("hi"))
        .await
        .unwrap();
    assert_eq!(
        (answer.provider.as_str(), answer.model.as_str()),
        ("local", "local/a/b:c")
    );
    let sent = &socket.requests()[0];
    assert!(
        sent.starts_with("POST /v1/chat/completions HTTP/1.1"),
        "{sent}"
    );
    assert!(sent.contains(r#""model":"a/b:c""#), "{sent}");
}

#[test]
fn an_address_that_is_none_is_said_at_once() {
    for bad in [
        "nonsense",
        "ftp://h/v1",
        "http://",
        "http://u:topsecret@h:port",
        "http://h?key=topsecret",
    ] {
        let error = Providers::builder()
            .openai(None, Some(bad))
            .err()
            .unwrap_or_else(|| panic!("{bad}"));
        assert_eq!(error.kind, ErrorKind::InvalidConfiguration, "{bad}");
        assert!(!error.to_string().contains("topsecret"), "{error}");
    }
}
