//! Every command that README.md and docs/ print, run exactly as it is printed, in the order of the page.
//!
//! Commands use the ports that people use, so where Linux allows it the test runs in a network of its own.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longest wait for what a command that goes on has to say.
const PATIENCE: Duration = Duration::from_mins(5);

/// Set where the test runs in a network of its own already.
const ISOLATED: &str = "HEADCOUNT_TEST_ISOLATED";

/// What a command begins with. Blocks that begin otherwise show output.
const PROGRAMS: [&str; 5] = ["cargo ", "headcount ", "curl ", "sam ", "aws "];

/// How a command is run.
#[derive(Clone, Copy, Debug)]
enum How {
    /// To its end, with this exit code.
    Ends(i32),
    /// Until it says this; then it is told to stop, and does.
    Says(&'static str),
    /// Until it says this; it goes on until the end of the page.
    Serves(&'static str),
    /// Not at all, for want of an AWS account; the options of `headcount` are looked at.
    OnAws,
}

/// What differs from [`How::Ends`] with 0, by what the command begins with.
const HOW: [(&str, How); 8] = [
    ("cargo run --release -- demo", How::Says("Every figure is what it must be")),
    ("cargo run --release -- serve", How::Serves("collector")),
    // One generated line in a hundred is invalid, and some of these are no JSON.
    ("cargo run --release -- send --local", How::Ends(1)),
    ("cargo lambda", How::OnAws),
    ("sam ", How::OnAws),
    ("aws ", How::OnAws),
    ("headcount ", How::OnAws),
    ("curl ", How::Ends(0)),
];

fn how(command: &str) -> How {
    HOW.into_iter().find(|(begin, _)| command.starts_with(begin)).map_or(How::Ends(0), |(_, how)| how)
}

/// The commands of the blocks of a page, each with the lines that it goes on in.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut block: Option<(bool, Vec<String>)> = None;
    for line in page.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(language)) => block = Some((matches!(language, "" | "sh" | "bash" | "console"), Vec::new())),
            (Some(_), Some(_)) => {
                let (is_plain, lines) = block.take().unwrap_or_default();
                if is_plain
                    && PROGRAMS.iter().any(|program| lines.first().is_some_and(|line| line.starts_with(program)))
                {
                    commands.extend(lines);
                }
            }
            (Some((_, lines)), None) => match lines.last_mut().filter(|last| last.ends_with('\\')) {
                Some(last) => {
                    last.push('\n');
                    last.push_str(line);
                }
                None => lines.push(line.to_owned()),
            },
            (None, None) => {}
        }
    }
    commands
}

/// A folder to work in, with the programs that commands name.
struct Shell {
    folder: tempfile::TempDir,
    path: String,
    /// What goes on until the end of the page.
    serving: Vec<Child>,
}

impl Shell {
    fn new(binary: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).expect("a folder");
        let run = format!(r#"exec "{}" "$@""#, binary.display());
        // What cargo would build is built already.
        let cargo = format!(r#"[ "$1 $2 $3" = "run --release --" ] || exit 99; shift 3; {run}"#);
        for (name, script) in [("headcount", run.as_str()), ("cargo", cargo.as_str())] {
            let path = programs.join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("allowed");
        }
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        Self { folder, path, serving: Vec::new() }
    }

    fn command(&self, text: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", text]).current_dir(self.folder.path()).env("PATH", &self.path).stdin(Stdio::null());
        command
    }

    fn ends(&self, text: &str, code: i32) {
        let output = self.command(text).output().expect("bash starts");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown = said(&output.stdout) + &said(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{text}\n{shown}");
        if text.starts_with("curl ") {
            assert!(shown.contains("\"accepted\":1"), "{text}\n{shown}");
        }
    }

    /// Starts a command and waits until it says so.
    fn starts(&self, text: &str, what: &str) -> (Child, Receiver<String>) {
        let mut child = self.command(&format!("exec {text}")).stdout(Stdio::piped()).spawn().expect("bash starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, lines) = channel();
        // Goes on reading to the end, so that the command never waits for a full pipe.
        std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
        let mut said = String::new();
        while !said.contains(what) {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => said = said + &line + "\n",
                Err(error) => panic!("{text} did not say {what:?}: {error}\n{said}"),
            }
        }
        (child, lines)
    }

    fn run(&mut self, text: &str) {
        eprintln!("+ {text}");
        match how(text) {
            How::Ends(code) => self.ends(text, code),
            How::Says(what) => {
                let (mut child, _lines) = self.starts(text, what);
                stop(&mut child);
            }
            How::Serves(what) => {
                let (child, _lines) = self.starts(text, what);
                self.serving.push(child);
            }
            How::OnAws if text.starts_with("headcount ") => self.ends(&format!("{text} --help"), 0),
            How::OnAws => {}
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.serving.iter_mut().for_each(stop);
    }
}

/// Stops a command as Ctrl-C would.
fn stop(child: &mut Child) {
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let _ = child.wait();
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it lies in the project").to_owned()
}

/// Whether the test was run in a network of its own, by another process, and passed.
fn was_isolated(name: &str) -> bool {
    let network = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
        command.args(arguments);
        command
    };
    if std::env::var_os(ISOLATED).is_some() || !network(&["true"]).output().is_ok_and(|output| output.status.success())
    {
        return false;
    }
    let test = std::env::current_exe().expect("we are running");
    let test = test.to_str().expect("a path of text");
    let status = network(&[test, "--exact", name, "--nocapture"]).env(ISOLATED, "1").status().expect("it starts");
    assert!(status.success(), "see above");
    true
}

#[test]
fn every_printed_command_does_what_it_should() {
    if was_isolated("every_printed_command_does_what_it_should") {
        return;
    }
    let binary = std::env::var_os("HEADCOUNT_TEST_BINARIES").map_or_else(|| root().join("target/debug"), PathBuf::from);
    let mut pages = vec![root().join("README.md")];
    let documents = std::fs::read_dir(root().join("docs")).expect("there are documents");
    pages.extend(documents.map(|entry| entry.expect("it is listed").path()));
    pages.retain(|page| page.extension().is_some_and(|ending| ending == "md"));
    let mut count = 0;
    for page in pages {
        let mut shell = Shell::new(&binary.join("headcount"));
        for command in commands(&std::fs::read_to_string(&page).expect("a page")) {
            shell.run(&command);
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} commands were found");
}
