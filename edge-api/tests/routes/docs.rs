use serde_json::Value;
use sqlx::PgPool;

use crate::support::TestApp;

#[sqlx::test(migrations = "../migrations")]
async fn the_page_needs_nobody_else(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let page = app.get("/docs").send().await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    for path in ["/docs", "/docs/page.css", "/docs/page.js"] {
        let text = app.get(path).send().await.text().to_owned();
        assert!(text.len() > 200, "{path}");
        for elsewhere in [
            "src=\"http",
            "href=\"http",
            "url(http",
            "import(",
            "@import",
            "innerHTML",
        ] {
            assert!(!text.contains(elsewhere), "{path} has {elsewhere}");
        }
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn every_operation_describes_its_errors(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let description = app.get("/openapi.json").send().await.json();
    assert_eq!(description["openapi"], "3.1.0");
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{name} has a summary");
            assert!(operation["operationId"].is_string(), "{name} has an id");
            let responses = operation["responses"].as_object().unwrap();
            if path.starts_with("/v1/") {
                for status in ["500", "503", "504"] {
                    assert!(responses.contains_key(status), "{name} describes {status}");
                }
                // Which are open is in the table of authorisation.rs.
                let is_open = operation["security"].is_null();
                for status in ["401", "403"] {
                    assert_eq!(responses.contains_key(status), !is_open, "{name} {status}");
                }
            }
            for (status, response) in responses {
                if status.starts_with(['4', '5']) && response.get("$ref").is_none() {
                    let schema = &response["content"]["application/json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/ErrorBody", "{name} {status}");
                }
            }
        }
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn every_reference_leads_somewhere(pool: PgPool) {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let app = TestApp::new(pool).await;
    let description = app.get("/openapi.json").send().await.json();
    let mut found = Vec::new();
    references(&description, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        assert!(
            description
                .pointer(reference.trim_start_matches('#'))
                .is_some(),
            "{reference}"
        );
    }
}
