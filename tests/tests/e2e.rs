//! The real binary, end to end, over real sockets.

#[path = "e2e/ai.rs"]
mod ai;
#[path = "e2e/api.rs"]
mod api;
#[path = "e2e/bad_records.rs"]
mod bad_records;
#[path = "e2e/browser.rs"]
mod browser;
#[path = "e2e/browser_script.rs"]
mod browser_script;
#[path = "e2e/budgets.rs"]
mod budgets;
#[path = "e2e/clients.rs"]
mod clients;
#[path = "e2e/collector.rs"]
mod collector;
#[path = "e2e/command.rs"]
mod command;
#[path = "e2e/damage.rs"]
mod damage;
#[path = "e2e/damage_matrix.rs"]
mod damage_matrix;
#[path = "e2e/damaged_table.rs"]
mod damaged_table;
#[path = "e2e/dashboard.rs"]
mod dashboard;
#[path = "e2e/demo.rs"]
mod demo;
#[path = "e2e/doors.rs"]
mod doors;
#[path = "e2e/event_log.rs"]
mod event_log;
#[path = "e2e/foreign_client.rs"]
mod foreign_client;
#[path = "e2e/function_url.rs"]
mod function_url;
#[path = "e2e/health.rs"]
mod health;
#[path = "e2e/history.rs"]
mod history;
#[path = "e2e/http.rs"]
mod http;
#[path = "e2e/lambda.rs"]
mod lambda;
#[path = "e2e/malformed.rs"]
mod malformed;
#[path = "e2e/pipeline.rs"]
mod pipeline;
#[path = "e2e/redrive.rs"]
mod redrive;
#[path = "e2e/report.rs"]
mod report;
#[path = "e2e/rules.rs"]
mod rules;
#[path = "e2e/sample.rs"]
mod sample;
#[path = "e2e/schema.rs"]
mod schema;
#[path = "e2e/sigkill_serve.rs"]
mod sigkill_serve;
