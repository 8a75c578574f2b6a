//! Runs the scripts in `tests/python` by the Python that `cargo xtask test` provides.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

/// A Python that has what `tests/python/requirements.txt` names.
pub(crate) fn python() -> Command {
    let python = std::env::var("HEADCOUNT_TEST_PYTHON").expect(
        "HEADCOUNT_TEST_PYTHON names a Python with the pinned packages: run `cargo xtask test`, which makes it",
    );
    let mut command = Command::new(python);
    for name in ["AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL_DYNAMODB"] {
        command.env_remove(name);
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the project").to_owned()
}

/// What a script answers; panics with all it said where it fails.
pub(crate) fn ask(script: &str, arguments: &[&str], input: &[u8]) -> Value {
    let mut command = python();
    command.arg(root().join("tests/python").join(script)).args(arguments);
    answer(command, input)
}

/// What a program prints as JSON, given `input`; panics with all it said where it fails.
pub(crate) fn answer(mut command: Command, input: &[u8]) -> Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_vec();
    // A program that ends early closes its input; what matters is then its exit code.
    let writing = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("its output can be read");
    let _ = writing.join();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{command:?}: {error}\n{stdout}\n{stderr}"))
}

const CREATE_BUCKET: &str = "
import boto3, sys
boto3.client('s3', endpoint_url=sys.argv[1]).create_bucket(Bucket=sys.argv[2])
print('null')
";

/// Creates a bucket at a stand-in.
pub(crate) fn create_bucket(endpoint: &str, bucket: &str) {
    let mut command = python();
    command.args(["-c", CREATE_BUCKET, endpoint, bucket]);
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1");
    assert_eq!(answer(command, b""), Value::Null);
}
