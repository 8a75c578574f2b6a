use clap::CommandFactory as _;

use super::*;
use crate::args::{DEFAULT_STREAM, Moment, Programs, Source};

fn parse(line: &str) -> Result<CommandLine, clap::Error> {
    CommandLine::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn every_command_explains_itself_with_examples() {
    let mut root = CommandLine::command();
    root.build();
    let names: Vec<_> = root.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in [
        "demo",
        "serve",
        "collector",
        "init",
        "check",
        "consume",
        "cost",
        "generate",
        "send",
        "import",
        "redrive",
        "rollup",
        "prove",
        "certificate",
        "verify",
        "rebuild",
        "restore",
        "metrics",
        "features",
        "engagement",
        "ai",
        "budget",
        "user",
        "rejected",
        "report",
        "dashboard",
    ] {
        assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
    }
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let example = format!("headcount {}", command.get_name());
        assert!(command.get_about().is_some() && after.contains(&example), "{}", command.get_name());
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
    }
}

#[test]
fn every_example_is_a_valid_command_line() {
    let mut root = CommandLine::command();
    root.build();
    let mut seen = 0;
    for command in root.get_subcommands() {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in after.lines().filter(|line| line.trim_start().starts_with("headcount ")) {
            // Behind two blanks an example is explained; behind a pipe or > the shell goes on.
            let line = line.trim_start().split("  ").next().unwrap();
            for part in line.split(" | ").filter(|part| part.starts_with("headcount ")) {
                let part = part.split(" > ").next().unwrap().trim();
                parse(part).unwrap_or_else(|error| panic!("{part}: {error}"));
                seen += 1;
            }
        }
    }
    assert!(seen > 12, "{seen} examples");
}

#[test]
fn the_folder_of_the_functions_may_be_left_out() {
    let programs = |line: &str| match parse(line).unwrap().command {
        Command::Serve(serve) => serve.lambda,
        other => panic!("{other:?}"),
    };
    assert_eq!(programs("headcount serve"), None);
    assert_eq!(programs("headcount serve --lambda"), Some(Programs::BesideCommand));
    assert_eq!(programs("headcount serve --lambda --window 5"), Some(Programs::BesideCommand));
    assert_eq!(programs("headcount serve --lambda ./bin"), Some(Programs::In("./bin".into())));
}

#[test]
fn bad_values_are_usage_errors_that_name_the_rule() {
    let cases = [
        ("headcount", "Usage"),
        ("headcount count", "unrecognized subcommand"),
        ("headcount rebuild", "--date"),
        ("headcount certificate", "--date"),
        ("headcount certificate --date 2026-03-01 --check c.json", "cannot be used"),
        ("headcount verify --date 2026-2-1", "YYYY-MM-DD"),
        ("headcount verify --date 2026-02-30", "YYYY-MM-DD"),
        ("headcount metrics --to 2026-03-01", "--from"),
        ("headcount metrics --last 7", "7d"),
        ("headcount features --last 401d", "400d"),
        ("headcount ai --last 7d --from 2026-03-01", "cannot be used"),
        ("headcount engagement --json --csv", "cannot be used"),
        ("headcount budget", "Usage"),
        ("headcount budget set", "--monthly"),
        ("headcount budget set --monthly 1e3", "US dollars a month"),
        ("headcount budget set --monthly 5 --account a --feature b", "cannot be used"),
        ("headcount user", "<ID>"),
        ("headcount user ann --limit 101", "1..=100"),
        ("headcount rejected --date 2026-2-1", "YYYY-MM-DD"),
        ("headcount generate", "--events"),
        ("headcount generate --events 0", "1..="),
        ("headcount generate --events 9 --invalid 0.6", "0 to 0.5"),
        ("headcount generate --events 9 --invalid x", "0 to 0.5"),
        ("headcount generate --events 9 --end yesterday", "RFC 3339"),
        ("headcount generate --events 9 --end=-5", "--end"),
        ("headcount generate --events 9 --zone Mars/Olympus", "Mars/Olympus"),
        ("headcount send --kinesis-endpoint localhost:4567", "http://"),
        ("headcount send --kinesis-endpoint http://", "http://"),
        ("headcount serve --shards 0", "1..=64"),
        ("headcount serve --window 301", "0..=300"),
        ("headcount serve --ip-policy hide", "truncate"),
        ("headcount collector --ip-policy hide", "truncate"),
        ("headcount cost", "--events-per-day"),
        ("headcount cost --events-per-day 0", "1..="),
        ("headcount cost --events-per-day 9 --window 301", "0..=300"),
        ("headcount init --shards 0", "1..=10000"),
        ("headcount init --on-demand --shards 2", "cannot be used"),
        ("headcount init --on-demand --local", "cannot be used"),
        ("headcount init --retention-hours 12", "24..=8760"),
        ("headcount demo --days 0", "1..=30"),
    ];
    for (line, wanted) in cases {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(wanted), "{line}: {error}");
    }
}

#[test]
fn values_are_read() {
    let Command::Send(send) = parse("headcount send --local -").unwrap().command else { panic!() };
    assert!(send.stream.services.local);
    assert_eq!((send.source, send.stream.kinesis.stream.as_str()), (Source::Stdin, DEFAULT_STREAM));
    let Command::Generate(generate) =
        parse("headcount generate --events 5 --end 1970-01-01T00:00:01Z").unwrap().command
    else {
        panic!()
    };
    assert_eq!(generate.end, Some(Moment(1_000)));
    let Command::Rollup(rollup) = parse("headcount rollup --date 2026-03-01 --date 2026-03-02").unwrap().command else {
        panic!()
    };
    assert_eq!(rollup.dates.len(), 2);
}
