//! bgpwarden, the service: what goes in, who works on it, what comes out.
//!
//! ```text
//!  feed tasks ──mpsc──> sequencer ──mpsc──> N shards ──mpsc──> desk ──mpsc──> delivery ──outbox──> sink tasks
//!  (ris_live, bmp, …)   (one task)          (std threads)      (std thread)   (one task)           (ndjson, kafka)
//!                                                                                │  ▲
//!                                                                                │  └──> store (std thread, SQLite) ──> API
//!                                                                                ├──> view ──> web pages
//!                                                                                └──> metrics ──> /metrics
//! ```
//! Every queue is bounded and its producer waits; nothing on the way is dropped. A stop runs along the picture
//! from left to right: feeds first, sinks last.

pub mod alert;
pub mod api;
pub mod app;
pub mod canary;
pub mod check;
pub mod cli;
pub mod config;
pub mod data;
pub mod demo;
pub mod explain;
pub mod failure;
pub mod health;
pub mod history;
pub mod http;
pub mod init;
pub mod investigate;
pub mod latency;
pub mod ledger;
pub mod manual;
pub mod metrics;
pub mod notice;
pub mod notify;
pub mod pipeline;
mod plot;
pub mod replay;
pub mod route;
pub mod sequencer;
pub mod sink;
pub mod store;
pub mod table;
pub mod terminal;
pub mod text;
pub mod view;
pub mod watched;
pub mod web;
