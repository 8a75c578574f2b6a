//! `headcount certificate`: what a proof counted, so that others can repeat it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate};
use clap::Args;
use headcount_aggregator::certificate::counting;
use headcount_proof::certificate::{Certificate, Checked, certify, check};
use serde::Serialize;

use crate::aggregation::{deadline, settings};
use crate::args::{DEFAULT_TABLE, LogArgs, ServiceArgs, values};
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, numbers::whole, table::Table};

const EXAMPLES: &str = "\
Examples:
  headcount certificate --date 2026-03-01 --log s3://my-bucket > 2026-03-01.json
  headcount certificate --check 2026-03-01.json --log s3://my-bucket
  headcount certificate --check 2026-03-01.json --log ./copy-of-the-bucket --json

Counts a proven day again from the event log, prints the certificate as JSON and stores it as certificate/<date>/<number>.json \
next to the log. A certificate names the deployment, the day, the proof, the entries that were counted with a Merkle root over \
their SHA-256 hashes, and the exact figures. Run `headcount prove --date DATE` first.

--check repeats the count up to the positions in the certificate and names each value that differs; nothing is written. Exit code 1 \
if something differs, entries are missing or damaged, or the day cannot be certified. Only the log is read, no table.";

/// `headcount certificate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CertificateCommand {
    /// The day to certify, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = values::date, required_unless_present = "check")]
    pub(crate) date: Option<NaiveDate>,
    /// Check this certificate against the log
    #[arg(long, value_name = "FILE", conflicts_with = "date")]
    pub(crate) check: Option<PathBuf>,
    /// Print the outcome of --check as JSON; a certificate is always JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Which services.
    #[command(flatten)]
    pub(crate) services: ServiceArgs,
    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// The outcome of a check as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    passed: bool,
    #[serde(flatten)]
    checked: &'a Checked,
}

/// Runs it.
pub(crate) async fn run(args: CertificateCommand, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let done = match (args.date, &args.check) {
        (Some(date), _) => interrupt.or(Box::pin(issue(&args, date))).await,
        (None, Some(file)) => interrupt.or(Box::pin(repeat(&args, file))).await,
        (None, None) => return Err(Failure::Usage("give --date or --check".to_owned())),
    };
    done.unwrap_or(Ok(Ending::Interrupted))
}

async fn issue(args: &CertificateCommand, date: NaiveDate) -> Result<Ending, Failure> {
    let log = connect::log(&args.services, &args.log).await?;
    let settings = settings(DEFAULT_TABLE, None)?;
    let certificate = certify(counting(&log, &settings, deadline()), date).await.map_err(Failure::said)?;
    output::json(&certificate)?;
    output::note(&summary(&certificate));
    Ok(Ending::Fine)
}

async fn repeat(args: &CertificateCommand, file: &Path) -> Result<Ending, Failure> {
    let unreadable = |error| Failure::said(format_args!("{} cannot be read: {error}", file.display()));
    let certificate = Certificate::parse(&std::fs::read(file).map_err(unreadable)?).map_err(Failure::said)?;
    let log = connect::log(&args.services, &args.log).await?;
    let settings = settings(DEFAULT_TABLE, None)?;
    let checked = check(counting(&log, &settings, deadline()), &certificate).await.map_err(Failure::said)?;
    if args.json {
        output::json(&Answer { passed: checked.passed(), checked: &checked })?;
    } else {
        report(&checked)?;
    }
    Ok(if checked.passed() { Ending::Fine } else { Ending::Differences })
}

fn summary(certificate: &Certificate) -> String {
    let Certificate { date, proof, entries, figures, .. } = certificate;
    let number = proof.number;
    let at = DateTime::from_timestamp_millis(proof.proven_ms).unwrap_or_default().format("%FT%TZ");
    let (events, entries) = (whole(figures.counters.events), whole(*entries));
    format!(
        "{date}: proof {number} of {at}: {events} events in {entries} entries; stored as certificate/{date}/{number}.json"
    )
}

fn report(checked: &Checked) -> Result<(), Failure> {
    for table in [mismatches(checked), unreadable(checked)].iter().filter(|table| !table.is_empty()) {
        output::line(&format!("{table}\n"))?;
    }
    output::line(&outcome(checked))
}

fn mismatches(checked: &Checked) -> Table {
    let mut table = Table::new(["value", "certified", "by the log"]);
    for found in &checked.mismatches {
        table.row([found.field.clone(), found.certified.to_string(), found.counted.to_string()]);
    }
    table
}

fn unreadable(checked: &Checked) -> Table {
    let mut table = Table::new(["source", "entry", "problem"]).left(2);
    for found in &checked.unreadable {
        table.row([found.source.to_string(), found.entry.to_string(), found.detail.clone()]);
    }
    table
}

fn outcome(checked: &Checked) -> String {
    let Checked { date, number, mismatches, unreadable, since } = checked;
    let mut text = if checked.passed() {
        format!("{date}: confirmed: the log says what the certificate of proof {number} says")
    } else {
        let (values, entries) = (whole(mismatches.len() as u64), whole(unreadable.len() as u64));
        format!("{date}: NOT CONFIRMED: {values} values of the certificate differ, {entries} entries cannot be read")
    };
    if *since > 0 {
        text += &format!("; {} events were appended since", whole(*since));
    }
    text
}

#[cfg(test)]
mod tests {
    use headcount_core::exact::Unreadable;
    use headcount_core::origin::Source;
    use headcount_proof::certificate::Mismatch;
    use serde_json::json;

    use super::*;

    fn checked() -> Checked {
        let date = "2026-03-01".parse().unwrap();
        Checked { date, number: 3, mismatches: Vec::new(), unreadable: Vec::new(), since: 0 }
    }

    #[test]
    fn a_confirmed_certificate_is_one_line() {
        assert_eq!(outcome(&checked()), "2026-03-01: confirmed: the log says what the certificate of proof 3 says");
        let later = Checked { since: 1_200, ..checked() };
        assert!(outcome(&later).ends_with("; 1,200 events were appended since"), "{}", outcome(&later));
    }

    #[test]
    fn what_differs_is_named() {
        let mismatch = Mismatch { field: "figures.users".into(), certified: json!(4), counted: json!(5) };
        let lost = Unreadable { source: Source::import(1), entry: 7, detail: "it is missing".into() };
        let bad = Checked { mismatches: vec![mismatch], unreadable: vec![lost], ..checked() };
        assert!(outcome(&bad).contains("NOT CONFIRMED: 1 values"), "{}", outcome(&bad));
        assert!(mismatches(&bad).to_string().contains("figures.users"));
        assert!(unreadable(&bad).to_string().contains("it is missing"));
    }
}
