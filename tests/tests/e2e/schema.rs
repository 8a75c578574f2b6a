//! The API against its own description, by a program that nobody here wrote: schemathesis.

use std::process::Command;

use serde_json::json;

use crate::command::{Serve, headcount, json as json_of, run, wait_for};
use crate::sample::{days, event, lines, noon};

/// Requests for each operation and phase, at most.
const EXAMPLES: &str = "40";

/// The read token of the server under test.
const TOKEN: &str = "a-read-token-for-this-test";

/// The same requests each time.
const SEED: &str = "20261125";

#[test]
fn the_api_is_what_it_says_it_is() {
    let python = std::env::var("HEADCOUNT_TEST_SCHEMATHESIS").expect(
        "HEADCOUNT_TEST_SCHEMATHESIS names a Python that has schemathesis: run `cargo xtask test`, which installs it",
    );
    let folder = tempfile::tempdir().expect("a folder");
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, TOKEN).expect("written");
    let serve = Serve::start_with(None, &["--read-token-file", token_file.to_str().expect("text")]);
    let [first, second] = days().map(noon);
    let mut events = Vec::new();
    for n in 0..50 {
        let user = format!("user-{}", n % 9);
        events.push(event(&format!("use-{n}"), &user, first + n, "feature_use", &json!({"feature": "search"})));
        let asked = json!({"model": "large", "inputTokens": 100, "outputTokens": 20, "cost": 0.25});
        events.push(event(&format!("ask-{n}"), &user, second + n, "ai_request", &asked));
    }
    let mut input = lines(&events);
    input.extend_from_slice(b"{\"userId\":\"nobody\"}\n");
    serve.send(0, &input);
    let range = ["metrics", "--last", "10d", "--json", "--dynamodb-endpoint", &serve.dynamodb];
    let ask = || json_of(0, &range, b"")["total"].clone();
    wait_for("all is counted", ask, |total| total["rejected"] == 1 && total["aiUsage"]["totalRequests"] == 50);

    let budget = ["budget", "set", "--monthly", "50", "--feature", "search", "--dynamodb-endpoint", &serve.dynamodb];
    assert!(run(headcount(&budget), b"").status.success());

    // Rules between two parameters are no part of a schema: from not after to, a page that a page before named.
    let config = "[checks.positive_data_acceptance]\nexpected-statuses = [\"2xx\", \"400\"]\n";
    std::fs::write(folder.path().join("schemathesis.toml"), config).expect("written");
    let base = serve.http.trim_end_matches("/healthz");
    let mut command = Command::new(python);
    command
        .current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "run", &format!("{base}/api/openapi.json"), "--checks", "all"])
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--max-examples", EXAMPLES, "--seed", SEED, "--phases", "examples,coverage,fuzzing", "--no-color"])
        .args(["--generation-database", ":memory:", "--request-timeout", "20"]);
    let output = run(command, b"");
    let said = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("7 selected / 7 total"), "{said}");
    assert!(serve.stop().success());
}
