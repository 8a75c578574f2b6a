//! The library for Python.

use std::path::PathBuf;
use std::process::Command;

use super::{
    Library, code, copy, nothing_is_lost_or_counted_twice, root, succeed, the_example_counts,
    the_readme_tells_the_truth, the_rules_are_those_of_the_collector,
};

/// The library as its wheel installs it.
struct Python {
    /// What `cargo xtask test` made.
    interpreter: PathBuf,
    folder: tempfile::TempDir,
}

impl Python {
    /// Tests and builds the package, and installs it.
    fn install() -> Self {
        let interpreter = std::env::var_os("HEADCOUNT_TEST_SDK_PYTHON").map(PathBuf::from).expect(
            "HEADCOUNT_TEST_SDK_PYTHON names a Python that has tests/python/requirements-sdk.txt: run `cargo xtask test`, which installs it",
        );
        let folder = tempfile::tempdir().expect("a folder");
        let python = Self { interpreter, folder };
        let package = python.folder.path().join("package");
        copy(&root().join("sdk/python"), &package);
        let module = |arguments: &[&str]| {
            let mut command = Command::new(&python.interpreter);
            command.arg("-m").args(arguments).current_dir(&package);
            command
        };
        succeed(module(&["unittest", "--quiet"]), b"");
        succeed(module(&["flit_core.wheel", "--outdir", "."]), b"");
        succeed(module(&["zipfile", "-e", "headcount-0.1.0-py3-none-any.whl", "../installed"]), b"");
        python
    }

    /// Runs what the arguments say, with the library.
    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.args(arguments).env("PYTHONPATH", self.folder.path().join("installed")).env("PYTHONUNBUFFERED", "1");
        command
    }

    /// The types of the library, and of programs that use it.
    fn check_types(&self, programs: &[&str]) {
        let environment = self.interpreter.ancestors().nth(2).expect("it lies in an environment");
        let mut mypy = self.run(&["-m", "mypy", "--strict", "headcount"]);
        mypy.args(programs).arg("--cache-dir").arg(environment.join("mypy"));
        mypy.current_dir(self.folder.path().join("installed"));
        succeed(mypy, b"");
    }
}

impl Library for Python {
    fn program(&self, name: &str) -> Command {
        self.run(&[root().join(format!("tests/sdk/{name}.py")).to_str().expect("text")])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_for_python_does_what_it_says() {
    let python = Python::install();
    let printed = python.folder.path().join("printed.py");
    std::fs::write(&printed, code(&root().join("sdk/python/README.md"), "Use")).expect("written");
    let printed = printed.to_str().expect("text");
    let example = root().join("sdk/python/examples/fastapi");
    python.check_types(&[printed, example.join("app.py").to_str().expect("text")]);
    the_readme_tells_the_truth(python.run(&[printed]));
    the_rules_are_those_of_the_collector(&python);
    nothing_is_lost_or_counted_twice(&python).await;
    let mut start = python.run(&["-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", "0"]);
    start.current_dir(example);
    the_example_counts(start, "", "user_id", "session_id");
}
