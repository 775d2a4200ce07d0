//! `docs/reference/api.md`: the served OpenAPI document as a page to read.

use std::fmt::Write;

use serde_json::Value;

use crate::openapi::same_as_committed;
use crate::support::*;

const INTRODUCTION: &str = "\
# Routes

<!-- Made from /openapi.json by crates/server/tests/server/openapi_page.rs; UPDATE=1 renews it. -->

What a client may send and what it gets, made from the document that every server serves at
`/openapi.json` ([the file](openapi.json), for tools). Bodies are JSON objects unless another type is
named. A refusal is `{\"code\", \"message\"}`, with `fields` where a rule about fields was broken; all
codes are in [their own list](errors.md).

A credential is an access token in `Authorization: Bearer`, or one of the cookies
([three modes](../modes.md)).
";

/// One cell of a table, on one line.
fn cell(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    text.replace('|', "\\|")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// `#/components/schemas/User` is the heading of a table below.
fn reference(schema: &Value) -> Option<String> {
    let name = schema["$ref"].as_str()?.rsplit('/').next()?;
    Some(format!("[{name}](#{})", name.to_lowercase()))
}

fn kind(schema: &Value) -> String {
    if let Some(link) = reference(schema) {
        return link;
    }
    if let Some(either) = schema["oneOf"].as_array() {
        let named = either.iter().filter(|schema| schema["type"] != "null");
        return named.map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words
            .iter()
            .map(|word| format!("`{}`", word.as_str().unwrap()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let word = schema["type"].as_str().or_else(|| {
        let types = schema["type"].as_array()?;
        types
            .iter()
            .filter_map(Value::as_str)
            .find(|word| *word != "null")
    });
    match word {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some(word) => word.to_owned(),
        None => "anything".to_owned(),
    }
}

/// A schema's own words, else those of what it refers to.
fn meaning(schema: &Value) -> String {
    let own = cell(&schema["description"]);
    let inner = schema["oneOf"]
        .as_array()
        .and_then(|either| either.iter().find(|one| one["description"].is_string()));
    match inner {
        Some(inner) if own.is_empty() => cell(&inner["description"]),
        _ => own,
    }
}

fn operation(page: &mut String, method: &str, path: &str, operation: &Value) {
    let _ = write!(
        page,
        "\n### `{} {path}`\n\n{}\n",
        method.to_uppercase(),
        cell(&operation["summary"])
    );
    if operation["description"].is_string() {
        let _ = write!(page, "\n{}\n", cell(&operation["description"]));
    }
    let parameters = operation["parameters"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        *page += "\n| parameter | in | type | meaning |\n| --- | --- | --- | --- |\n";
    }
    for parameter in parameters {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            parameter["name"].as_str().unwrap(),
            parameter["in"].as_str().unwrap(),
            kind(&parameter["schema"]),
            cell(&parameter["description"])
        );
    }
    if let Some(content) = operation["requestBody"]["content"].as_object() {
        let (media, body) = content.iter().next().unwrap();
        let form = if media == "application/json" {
            ""
        } else {
            ", as a form"
        };
        let _ = write!(page, "\nTakes {}{form}.\n", kind(&body["schema"]));
    }
    *page += "\n| status | body | when |\n| --- | --- | --- |\n";
    for (status, answer) in operation["responses"].as_object().unwrap() {
        let body = &answer["content"]["application/json"]["schema"];
        let body = if body.is_object() {
            kind(body)
        } else {
            String::new()
        };
        let _ = writeln!(
            page,
            "| {status} | {body} | {} |",
            cell(&answer["description"])
        );
    }
}

fn schema(page: &mut String, name: &str, schema: &Value) {
    let _ = write!(page, "\n### {name}\n\n{}\n", cell(&schema["description"]));
    let Some(fields) = schema["properties"].as_object() else {
        let _ = write!(page, "\nOne of: {}.\n", kind(schema));
        return;
    };
    *page += "\n| field | type | meaning |\n| --- | --- | --- |\n";
    for (field, about) in fields {
        let must = schema["required"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == field));
        let may = if must { "" } else { ", may be left out" };
        let _ = writeln!(
            page,
            "| `{field}` | {}{may} | {} |",
            kind(about),
            meaning(about)
        );
    }
}

fn page(document: &Value) -> String {
    let mut page = INTRODUCTION.to_owned();
    for tag in document["tags"].as_array().unwrap() {
        let _ = write!(page, "\n## {}\n", cell(&tag["description"]));
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, about) in methods.as_object().unwrap() {
                if about["tags"][0] == tag["name"] {
                    operation(&mut page, method, path, about);
                }
            }
        }
    }
    page += "\n## Bodies\n";
    for (name, about) in document["components"]["schemas"].as_object().unwrap() {
        schema(&mut page, name, about);
    }
    page
}

#[tokio::test]
async fn the_page_of_routes_is_what_the_document_says() {
    let (_server, client) = start(&[("server.public_url", "http://127.0.0.1:5000")]);
    let document = client.get("/openapi.json").send().await.expect(200).json();
    let page = page(&document);
    // No route falls between the tags.
    let operations = operations(&client).await;
    assert_eq!(page.matches("\n### `").count(), operations.len());
    same_as_committed("docs/reference/api.md", &page);
}
