//! `{"type": "http", "name", "description", "allow", "methods", "headers", "auth"}`: requests to allowed addresses, by the rules of HTTP steps.

use std::sync::Arc;

use agents::declared::declaration;
use agents::{Asked, Tool, ToolError};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::credentials::Credentials;
use super::prefix::Prefixes;
use crate::{Failure, Outside, Secrets, http};

pub struct HttpTool<S> {
    outside: Arc<Outside<S>>,
    declaration: llm::Tool,
    allow: Prefixes,
    methods: Vec<String>,
    credentials: Credentials,
}

impl<S: Secrets> HttpTool<S> {
    /// # Errors
    /// `invalid_config`, `expression_failed`.
    pub fn read(
        outside: Arc<Outside<S>>,
        tool: &Value,
        may_name_secrets: bool,
    ) -> Result<Self, Failure> {
        let allowed = texts(tool, "allow");
        let allow = Prefixes::read(allowed.iter().map(String::as_str))
            .filter(|_| !allowed.is_empty())
            .ok_or_else(|| Failure::invalid_config("allow is not a list of addresses"))?;
        let mut methods = texts(tool, "methods");
        methods
            .iter_mut()
            .for_each(|method| method.make_ascii_uppercase());
        if methods.is_empty() {
            methods.push("GET".to_owned());
        }
        let credentials = Credentials::read(&outside.ways.engine, tool, may_name_secrets)?;
        let description = format!("Makes an HTTP request below {}.", allowed.join(", "));
        let parameters = json!({
            "type": "object",
            "properties": {
                "url": {"type": "string", "description": format!("The address, below one of: {}", allowed.join(", "))},
                "method": {"type": "string", "enum": methods},
                "query": {"type": "object", "description": "Parameters to add to the address"},
                "body": {"description": "Sent as JSON, or as it is if it is text"},
            },
            "required": ["url"],
            "additionalProperties": false,
        });
        Ok(Self {
            outside,
            declaration: declaration(tool, "http", &description, parameters),
            allow,
            methods,
            credentials,
        })
    }

    async fn request(&self, arguments: &Value) -> Result<String, S::Error> {
        let method = match arguments.get("method").and_then(Value::as_str) {
            Some(method) => method.to_ascii_uppercase(),
            None => self.methods[0].clone(),
        };
        if !self.methods.contains(&method) {
            let allowed = self.methods.join(", ");
            return Err(Failure::invalid_config(format!("the method is not {allowed}")).into());
        }
        let (mut config, redaction) = self.credentials.fill(&self.outside).await?;
        // After the secrets were put in: what a model writes is no template.
        config["method"] = method.into();
        for name in ["url", "query", "body"] {
            config[name] = arguments.get(name).cloned().unwrap_or_default();
        }
        let may_call = |url: &reqwest::Url| self.allow.allow(url);
        let clients = &self.outside.ways.clients;
        let answer = http::run_within(clients, &config, &redaction, may_call).await?;
        let shown = json!({"status": answer["status"], "body": answer["body"]});
        Ok(shown.to_string())
    }
}

impl<S: Secrets> Tool for HttpTool<S> {
    fn declaration(&self) -> &llm::Tool {
        &self.declaration
    }

    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>> {
        async move { self.request(&asked.arguments).await.map_err(S::told) }.boxed()
    }
}

fn texts(tool: &Value, field: &str) -> Vec<String> {
    let list = tool.get(field).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .map(|item| item.as_str().unwrap_or_default().to_owned())
        .collect()
}
