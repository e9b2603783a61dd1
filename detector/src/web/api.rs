//! What can programs ask? The description of the API, for people.

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::page;
use crate::api::openapi::DOCUMENT;

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    about: String,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<(String, String)>,
    answers: Vec<(String, String)>,
}

impl Operation {
    fn of(path: &str, method: &str, value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let parameters = value["parameters"].as_array().into_iter().flatten();
        let answers = value["responses"].as_object().into_iter().flatten();
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&value["summary"]),
            description: text(&value["description"]),
            parameters: parameters.map(|p| (text(&p["name"]), text(&p["description"]))).collect(),
            answers: answers.map(|(code, answer)| (code.clone(), text(&answer["description"]))).collect(),
        }
    }
}

pub async fn api() -> Response {
    let document: Value = serde_json::from_str(&DOCUMENT).unwrap_or_default();
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, value)| Operation::of(path, method, value))
    });
    let about = document["info"]["description"].as_str().unwrap_or_default().to_owned();
    page(&ApiPage { about, operations: operations.collect() })
}
