//! The library for Node.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{
    Library, WRITE_KEY, World, ask, code, copy, nothing_is_lost_or_counted_twice, root, succeed, the_example_counts,
    the_readme_tells_the_truth, the_rules_are_those_of_the_collector,
};

/// The library as `npm install` installs it into an application.
struct Node {
    /// What `cargo xtask test` installs.
    tools: PathBuf,
    folder: tempfile::TempDir,
}

impl Node {
    /// Builds and tests the package, and installs it into the example application.
    fn install() -> Self {
        let tools = std::env::var_os("HEADCOUNT_TEST_SDK_NODE").map(PathBuf::from).expect(
            "HEADCOUNT_TEST_SDK_NODE names a folder with what tests/sdk/package.json pins: run `cargo xtask test`, which installs it",
        );
        // Below the tools, so that they are found.
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&tools).expect("a folder");
        let node = Self { tools, folder };
        let (package, app) = (node.folder.path().join("package"), node.app());
        copy(&root().join("sdk/node"), &package);
        succeed(node.tool("typescript/bin/tsc", &package), b"");
        let mut test = Command::new("node");
        test.arg("--test").current_dir(&package);
        succeed(test, b"");
        copy(&root().join("sdk/node/examples/next"), &app);
        let mut pack = Command::new("npm");
        pack.args(["pack", "--ignore-scripts", "--silent"]).current_dir(&package);
        let packed = succeed(pack, b"");
        let installed = app.join("node_modules/@headcount/node");
        std::fs::create_dir_all(&installed).expect("a folder");
        let mut unpack = Command::new("tar");
        unpack.arg("-xzf").arg(package.join(packed.trim())).args(["--strip-components", "1", "-C"]).arg(&installed);
        succeed(unpack, b"");
        for name in ["load", "clock", "rules"] {
            let name = format!("{name}.mjs");
            std::fs::copy(root().join("tests/sdk").join(&name), app.join(&name)).expect("copied");
        }
        node
    }

    fn app(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    fn tool(&self, script: &str, folder: &Path) -> Command {
        let mut command = Command::new("node");
        command.arg(self.tools.join("node_modules").join(script)).current_dir(folder);
        command.env("NEXT_TELEMETRY_DISABLED", "1");
        command
    }

    /// Compiles programs of strict TypeScript, each beside its source.
    fn compile(&self, programs: &[(&str, String)]) {
        let mut tsc = self.tool("typescript/bin/tsc", &self.app());
        tsc.args(["--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"]);
        for (name, text) in programs {
            let name = format!("{name}.mts");
            std::fs::write(self.app().join(&name), text).expect("written");
            tsc.arg(name);
        }
        succeed(tsc, b"");
    }
}

impl Library for Node {
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(format!("{name}.mjs")).current_dir(self.app());
        command
    }
}

/// A program that compiles if the types of answers have every field of real ones and no other.
fn answers() -> String {
    let world = World::start();
    let event = |event_type: &str, data: Value| json!({"userId": "u", "sessionId": "s", "accountId": "acme", "eventType": event_type, "eventData": data, "metadata": {"platform": "web"}});
    let events = json!([
        event("feature_use", json!({"feature": "search"})),
        event("content_create", json!({"contentType": "post"})),
        event(
            "ai_request",
            json!({"model": "large", "feature": "summary", "tokens": 3, "cost": 0.25, "latencyMs": 812})
        ),
        event("error", json!({"errorType": "Timeout"})),
    ]);
    let (status, answer) = ask(&world.serve.collector, WRITE_KEY, "POST", "/v1/events", &events.to_string());
    assert_eq!(status, 202, "{answer:#}");
    world.proven();
    let mut text = "import type { FeatureUsage, MetricsAnswer, UserEngagement } from \"@headcount/node\";\n".to_owned();
    for (name, path) in [
        ("MetricsAnswer", "metrics?last=2d&compare=true"),
        ("FeatureUsage", "features"),
        ("UserEngagement", "engagement"),
    ] {
        let answer = world.figures(path);
        text += &format!("export const of{name}: {name} = {answer};\n");
    }
    assert!(world.serve.stop().success());
    text
}

/// What is installed for the tests is what package and example name.
fn versions_agree() {
    let read = |path: &str| -> Value {
        let text = std::fs::read_to_string(root().join(path)).expect("a manifest");
        serde_json::from_str(&text).expect("JSON")
    };
    let tools = read("tests/sdk/package.json");
    for path in ["sdk/node/package.json", "sdk/node/examples/next/package.json"] {
        let manifest = read(path);
        let named =
            ["dependencies", "devDependencies"].map(|kind| manifest[kind].as_object().cloned().unwrap_or_default());
        for (name, version) in named.into_iter().flatten().filter(|(name, _)| name != "@headcount/node") {
            assert_eq!(version, tools["dependencies"][&name], "{name} of {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_for_node_does_what_it_says() {
    versions_agree();
    let node = Node::install();
    node.compile(&[("printed", code(&root().join("sdk/node/README.md"), "Use")), ("answers", answers())]);
    the_readme_tells_the_truth(node.program("printed"));
    the_rules_are_those_of_the_collector(&node);
    nothing_is_lost_or_counted_twice(&node).await;
    let next = |command: &str| {
        let mut next = node.tool("next/dist/bin/next", &node.app());
        next.arg(command);
        next
    };
    succeed(next("build"), b"");
    let mut start = next("start");
    start.args(["--hostname", "127.0.0.1", "--port", "0"]);
    the_example_counts(start, "/api", "userId", "sessionId");
}
