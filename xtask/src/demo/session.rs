//! A signed-in user in front of PostgREST.

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::{Client, Method, RequestBuilder};
use serde::Serialize;
use serde_json::{Value, json};

use super::http::{self, Answer};
use crate::stack::Stack;

pub struct Session {
    pub email: String,
    client: Client,
    supabase_url: String,
    edge_url: String,
    publishable_key: String,
    access_token: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Tenant {
    pub id: String,
    pub name: String,
}

impl Session {
    pub async fn sign_in(stack: &Stack, email: &str, password: &str) -> Result<Self> {
        let publishable_key = stack
            .publishable_key
            .clone()
            .context("the stack has no publishable key")?;
        // A proxy of the environment is for other hosts than this one.
        let client = Client::builder().no_proxy().build()?;
        let response = client
            .post(format!(
                "{}/auth/v1/token?grant_type=password",
                stack.supabase_url
            ))
            .header("apikey", &publishable_key)
            .json(&json!({ "email": email, "password": password }))
            .send()
            .await
            .context("Auth does not answer")?;
        let status = response.status();
        let answer: Value = response
            .json()
            .await
            .context("Auth answered something else than JSON")?;
        let access_token = answer["access_token"]
            .as_str()
            .ok_or_else(|| anyhow!("Auth did not sign {email} in: {status} {answer}"))?
            .to_owned();
        Ok(Self {
            email: email.to_owned(),
            client,
            supabase_url: stack.supabase_url.clone(),
            edge_url: stack.edge_url.clone(),
            publishable_key,
            access_token,
        })
    }

    /// Rows of a table; `query` is PostgREST's, for instance `id=eq.1&select=name`.
    pub async fn rows(&self, table: &str, query: &str) -> Result<Vec<Value>> {
        let request = self.rest(Method::GET, &format!("{table}?{query}"));
        match http::demand(http::read(request.send().await?).await?)? {
            Value::Array(rows) => Ok(rows),
            other => Err(anyhow!("PostgREST answered {other} for rows of {table}")),
        }
    }

    pub async fn insert(&self, table: &str, row: &Value) -> Result<Value> {
        self.write(Method::POST, table, row).await
    }

    /// Changes the one row that `query` names.
    pub async fn update(&self, table: &str, query: &str, change: &Value) -> Result<Value> {
        self.write(Method::PATCH, &format!("{table}?{query}"), change)
            .await
    }

    pub async fn delete(&self, table: &str, query: &str) -> Result<()> {
        let request = self.rest(Method::DELETE, &format!("{table}?{query}"));
        http::demand(http::read(request.send().await?).await?).map(drop)
    }

    /// Calls a function; a refusal is an answer.
    pub async fn call(&self, function: &str, arguments: &Value) -> Result<Answer> {
        let request = self
            .rest(Method::POST, &format!("rpc/{function}"))
            .json(arguments);
        http::read(request.send().await?).await
    }

    /// The version that activating published.
    pub async fn activate(&self, workflow: &str) -> Result<i64> {
        let row = one(http::demand(
            self.call("activate_workflow", &json!({ "workflow_id": workflow }))
                .await?,
        )?)?;
        row["version"]
            .as_i64()
            .context("the activated workflow has no version")
    }

    /// The tenant of somebody who belongs to exactly one.
    pub async fn only_tenant(&self) -> Result<Tenant> {
        let tenants = self.rows("tenants", "select=id,name").await?;
        ensure!(
            tenants.len() == 1,
            "{} belongs to {} tenants, not to one",
            self.email,
            tenants.len()
        );
        Ok(Tenant {
            id: text(&tenants[0], "id")?,
            name: text(&tenants[0], "name")?,
        })
    }

    /// A GET of edge-api as this user.
    pub fn edge(&self, path: &str) -> RequestBuilder {
        self.client
            .get(format!("{}{path}", self.edge_url))
            .bearer_auth(&self.access_token)
    }

    async fn write(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let request = self
            .rest(method, path)
            .header("Prefer", "return=representation")
            .json(body);
        one(http::demand(http::read(request.send().await?).await?)?)
    }

    fn rest(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}/rest/v1/{path}", self.supabase_url))
            .header("apikey", &self.publishable_key)
            .bearer_auth(&self.access_token)
    }
}

/// The one row of an answer, which PostgREST gives bare or in a list.
pub fn one(answer: Value) -> Result<Value> {
    match answer {
        Value::Array(mut rows) if rows.len() == 1 => Ok(rows.remove(0)),
        row @ Value::Object(_) => Ok(row),
        other => Err(anyhow!(
            "PostgREST answered {other} where one row was expected"
        )),
    }
}

pub fn text(row: &Value, field: &str) -> Result<String> {
    row[field]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("{field} is missing in {row}"))
}
