//! The real `sam` command, on the lines that the documents print: it packages and deploys to a stand-in, with the answers that
//! change which functions there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::Utc;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scripts::{ask, root};
use crate::stand_in::{LACKING, StandIn};
use crate::template::source;

/// Names a Python that has what `tests/python/requirements-sam.txt` names.
const SAM_VARIABLE: &str = "HEADCOUNT_TEST_SAM";

/// The functions that there are in any case, and those that an answer brings.
const ALWAYS: [&str; 3] = ["Aggregator", "Consumer", "Prover"];

/// A folder like the project's after the documented build, with a home of its own.
struct Project {
    folder: TempDir,
}

impl Project {
    /// With the binaries that this build line makes, and the template without what the stand-in lacks.
    fn built_by(line: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::create_dir_all(path.join("infra")).expect("a folder");
        fs::write(path.join("infra/template.yaml"), without(&source(), &LACKING)).expect("it can be written");
        for name in programs_of(line) {
            let place = path.join("target/lambda").join(name);
            fs::create_dir_all(&place).expect("a folder");
            // Which bytes a function has is nothing to `sam`.
            fs::write(place.join("bootstrap"), "#!/bin/sh\n").expect("it can be written");
        }
        // Else it asks the package index for newer versions of itself.
        let settings = json!({"telemetryEnabled": false, "lastVersionCheck": Utc::now().timestamp()});
        fs::create_dir_all(path.join("home/.aws-sam")).expect("a folder");
        fs::write(path.join("home/.aws-sam/metadata.json"), settings.to_string()).expect("it can be written");
        Self { folder }
    }

    /// Runs a line that begins with `sam`, and gives all it said; it must succeed.
    fn sam(&self, line: &str, endpoint: &str, answers: &str) -> String {
        let (succeeded, said) = self.try_sam(line, endpoint, answers);
        assert!(succeeded, "{line}\n{said}");
        said
    }

    fn try_sam(&self, line: &str, endpoint: &str, answers: &str) -> (bool, String) {
        let python = std::env::var(SAM_VARIABLE)
            .unwrap_or_else(|_| panic!("{SAM_VARIABLE} is not set: run `cargo xtask test`, which installs sam"));
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("sam"), "{line}");
        let mut command = Command::new(python);
        command.args(["-m", "samcli"]).args(words).current_dir(self.folder.path());
        command.env("HOME", self.folder.path().join("home")).env("AWS_ENDPOINT_URL", endpoint);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1");
        command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("SAM_CLI_TELEMETRY", "0").env("SAM_CLI_POLL_DELAY", "0.2").env_remove("AWS_PROFILE");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sam can be started");
        // It may end before it has read all answers.
        let _ = child.stdin.take().expect("stdin is piped").write_all(answers.as_bytes());
        let output = child.wait_with_output().expect("its output can be read");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// The commands that a document prints, those that go on over several lines as one.
fn lines(document: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).expect("the document is there").replace("\\\n", " ");
    let code = text.split("\n```").skip(1).step_by(2);
    let lines = code.flat_map(|code| code.lines().skip(1).map(str::to_owned).collect::<Vec<_>>());
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The one command of a document that begins so, and holds no more of it than once.
fn line(document: &str, start: &str) -> String {
    let found: BTreeSet<_> = lines(document).into_iter().filter(|line| line.starts_with(start)).collect();
    assert_eq!(found.len(), 1, "{document}: {start}: {found:?}");
    found.into_iter().next().expect("one")
}

/// The binaries of the packages that a build line names.
fn programs_of(line: &str) -> Vec<String> {
    let mut words = line.split_whitespace();
    let mut programs = Vec::new();
    while let Some(word) = words.next() {
        if word == "--package" {
            let package = words.next().expect("a package is named");
            let folder = package.strip_prefix("headcount-").expect("one of ours");
            let folder = root().join(folder);
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a package of ours");
            let manifest: toml::Table = manifest.parse().expect("TOML");
            let named = manifest.get("bin").and_then(toml::Value::as_array).cloned().unwrap_or_default();
            programs.extend(named.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)));
            if named.is_empty() && folder.join("src/main.rs").is_file() {
                programs.push(package.to_owned());
            }
        }
    }
    programs
}

/// A template's source without these resources.
fn without(source: &str, names: &[&str]) -> String {
    let mut kept = String::new();
    let mut is_left_out = false;
    for line in source.lines() {
        if !line.starts_with("   ") && !line.trim().is_empty() {
            let name = line.trim().trim_end_matches(':');
            is_left_out = line.starts_with("  ") && names.contains(&name);
        }
        if !is_left_out {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The parameters in the order in which `sam` asks for them.
fn parameters() -> Vec<String> {
    let source = source();
    let (_, part) = source.split_once("\nParameters:\n").expect("parameters");
    let part = part.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    let names = part.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.trim().trim_end_matches(':').to_owned()).collect()
}

/// What a person types: stack and region, an answer for each parameter, and the defaults of everything else.
fn answers(stack: &str, given: &[(&str, &str)]) -> String {
    let given: BTreeMap<_, _> = given.iter().copied().collect();
    let of_parameters = parameters().into_iter().map(|name| given.get(&*name).copied().unwrap_or_default().to_owned());
    let all = [stack.to_owned(), String::new()].into_iter().chain(of_parameters);
    all.chain(std::iter::repeat_n(String::new(), 8)).map(|answer| answer + "\n").collect()
}

/// The functions of a deployed stack.
fn functions(stand_in: &StandIn, stack: &str) -> BTreeSet<String> {
    let resources = ask("deployment.py", &["resources", &stand_in.endpoint, stack], b"");
    let resources = resources.as_object().expect("resources").iter();
    resources.filter(|(_, kind)| *kind == "AWS::Lambda::Function").map(|(name, _)| name.clone()).collect()
}

#[test]
fn both_documents_print_the_same_lines() {
    for start in ["cargo lambda build", "sam deploy --guided"] {
        assert_eq!(line("README.md", start), line("docs/aws.md", start));
    }
}

#[test]
fn sam_finds_nothing_wrong_with_the_template() {
    let project = Project::built_by("cargo lambda build --package headcount-consumer");
    fs::write(project.folder.path().join("infra/template.yaml"), source()).expect("it can be written");
    // Nothing listens there: it needs no service.
    let said = project.sam("sam validate --lint --template infra/template.yaml", "http://127.0.0.1:9", "");
    assert!(said.contains("is a valid SAM Template"), "{said}");
}

#[test]
fn the_documented_lines_deploy_each_set_of_functions_and_remove_them() {
    let stand_in = StandIn::start();
    let deploy = line("README.md", "sam deploy --guided");
    let project = Project::built_by(&line("README.md", "cargo lambda build"));
    for (number, (access, collector)) in
        [("none", "false"), ("none", "true"), ("iam", "false"), ("token", "true")].into_iter().enumerate()
    {
        // The first as in the document; others may not have its names.
        let name = if number == 0 { "headcount".to_owned() } else { format!("headcount{number}") };
        let given = [("ProjectName", &*name), ("ReadAccess", access), ("WithCollector", collector)];
        let said = project.sam(&deploy, &stand_in.endpoint, &answers(&name, &given));
        assert!(!said.contains("may not have authorization defined"), "it asks what nobody told of:\n{said}");
        let mut expected: BTreeSet<_> = ALWAYS.map(str::to_owned).into();
        expected.extend((access != "none").then(|| "Api".to_owned()));
        expected.extend((collector == "true").then(|| "Collector".to_owned()));
        assert_eq!(functions(&stand_in, &name), expected, "{given:?}");
        println!("{name}: ReadAccess={access} WithCollector={collector}: {expected:?}");
        if number == 0 {
            let again = line("docs/aws.md", "sam deploy --template");
            let rebuilt = project.folder.path().join("target/lambda/headcount-consumer/bootstrap");
            fs::write(rebuilt, "#!/bin/sh\n# newer\n").expect("it can be written");
            let said = project.sam(&again, &stand_in.endpoint, "");
            assert!(said.contains(&name), "it knows the stack from the first time:\n{said}");
        }
    }
    let delete = line("docs/aws.md", "sam delete");
    project.sam(&delete, &stand_in.endpoint, "y\ny\n");
    assert!(functions(&stand_in, "headcount").is_empty());
}

#[test]
fn a_build_that_leaves_a_function_out_cannot_be_packaged() {
    let stand_in = StandIn::start();
    let line = line("README.md", "cargo lambda build").replace("--package headcount-collector", "");
    let project = Project::built_by(&line);
    let deploy =
        "sam deploy --stack-name headcount --resolve-s3 --capabilities CAPABILITY_IAM --template infra/template.yaml";
    let (succeeded, said) = project.try_sam(deploy, &stand_in.endpoint, "");
    assert!(!succeeded && said.contains("headcount-collector"), "{said}");
}

#[test]
fn every_function_is_built_by_the_documented_line() {
    let built: BTreeSet<_> = programs_of(&line("README.md", "cargo lambda build")).into_iter().collect();
    let source = source();
    let needed = source.lines().filter_map(|line| line.trim().strip_prefix("CodeUri: ../target/lambda/"));
    let needed: BTreeSet<_> = needed.map(|path| path.trim_end_matches('/').to_owned()).collect();
    assert!(needed.len() == 4 && needed.is_subset(&built), "{needed:?} of {built:?}");
    assert!(Path::new(&root().join("infra/template.yaml")).is_file());
}

#[test]
fn what_the_stand_in_lacks_is_left_out_and_nothing_else() {
    let kept = without(&source(), &LACKING);
    let names = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let left_out: Vec<_> = names(&source()).difference(&names(&kept)).cloned().collect();
    let mut expected = LACKING.map(|name| format!("{name}:"));
    expected.sort();
    assert_eq!(left_out, expected);
    let _: Value = ask("template.py", &["expand"], kept.as_bytes());
}
