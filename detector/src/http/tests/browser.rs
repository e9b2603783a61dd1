use axum::http::header::SET_COOKIE;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};

use super::{Served, served_with, tell, token};
use crate::alert::samples::opened;
use crate::api::Turns;
use crate::config::{Http, Role};
use crate::http::Site;

/// A browser that shows what it was answered, and goes nowhere by itself.
pub(crate) struct Browser {
    pub served: Served,
    pub client: reqwest::Client,
    cookie: Option<String>,
}

impl Browser {
    /// Of a site with a token to triage, one to read, and an incident.
    pub async fn new() -> Self {
        Self::at(|_| ()).await
    }

    /// The same, with something else in it.
    pub async fn at(change: impl FnOnce(&mut Site)) -> Self {
        let tokens = vec![token("duty", Role::Triage, "s3cret"), token("eve", Role::Read, "0ther")];
        let served =
            served_with(Http { tokens, requests_per_sec: 1_000, ..Http::default() }, Turns::default(), change).await;
        tell(&served.site, opened()).await;
        let client = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
        Self { served, client, cookie: None }
    }

    pub async fn send(&self, request: RequestBuilder) -> Response {
        let request = request.header("accept", "text/html,*/*;q=0.8");
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        request.send().await.expect("an answer")
    }

    pub async fn page(&self, path: &str) -> (u16, String) {
        let response = self.send(self.client.get(format!("{}{path}", self.served.base))).await;
        (response.status().as_u16(), response.text().await.expect("text"))
    }

    pub async fn post(&self, path: &str, form: &str) -> Response {
        let request = self.client.post(format!("{}{path}", self.served.base)).header("origin", &self.served.base);
        self.send(request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())).await
    }

    /// Shows a token; where it leads.
    pub async fn sign_in(&mut self, secret: &str, to: &str) -> String {
        let response = self.post("/sign-in", &format!("token={secret}&to={to}")).await;
        assert_eq!(response.status(), 303);
        self.keep(&response);
        place(&response)
    }

    /// Takes the cookie that it is given.
    pub fn keep(&mut self, response: &Response) {
        let set = response.headers()[SET_COOKIE].to_str().expect("text");
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && !set.contains("s3cret"), "{set}");
        self.cookie = set.split(';').next().map(str::to_owned);
    }
}

/// Where it leads.
pub(crate) fn place(response: &Response) -> String {
    response.headers()["location"].to_str().expect("text").to_owned()
}
