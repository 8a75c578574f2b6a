//! The command line itself.

use std::io::Read as _;

use super::*;

const COMMANDS: [&str; 13] = [
    "demo",
    "serve",
    "collector",
    "init",
    "cost",
    "generate",
    "send",
    "import",
    "redrive",
    "rollup",
    "verify",
    "rebuild",
    "metrics",
];

#[test]
fn help_has_examples_for_every_command() {
    let all = run(&["--help"]);
    assert_eq!(all.status.code(), Some(0));
    for command in COMMANDS {
        assert!(stdout(&all).contains(&format!("\n  {command} ")), "{}", stdout(&all));
        let help = run(&[command, "--help"]);
        assert_eq!(help.status.code(), Some(0));
        let example = format!("Examples:\n  headcount {command}");
        assert!(stdout(&help).contains(&example), "{command}: {}", stdout(&help));
    }
}

#[test]
fn a_wrong_command_line_ends_with_2_and_names_the_argument() {
    for (args, wanted) in [
        (&["count"][..], "count"),
        (&["rebuild"], "--date"),
        (&["metrics", "--from", "yesterday", "--to", "2026-03-01"], "YYYY-MM-DD"),
        (&["send", "--kinesis-endpoint", "localhost"], "http://"),
        (&["generate", "--events", "10", "--duplicates", "0.5", "--invalid", "0.5"], "duplicate rate"),
        (&["generate", "--events", "10", "--end", "0"], "2010 to 2249"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(wanted), "{args:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

#[test]
fn generated_events_are_the_same_for_the_same_seed() {
    let args = ["generate", "--events", "300", "--seed", "7", "--end", "2026-03-01T00:00:00Z"];
    let (first, second) = (run(&args), run(&args));
    assert_eq!((first.status.code(), stdout(&first).lines().count()), (Some(0), 300));
    assert_eq!(first.stdout, second.stdout);
    let other = run(&["generate", "--events", "300", "--seed", "8", "--end", "2026-03-01T00:00:00Z"]);
    assert_ne!(first.stdout, other.stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child =
        headcount(&["generate", "--events", "200000"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut [0; 100]).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}
