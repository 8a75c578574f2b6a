//! The rules: each a function of what was seen.

use headcount_aggregator::config as aggregator;
use headcount_consumer::config as consumer;
use headcount_core::limits::{DAY_MS, DEFAULT_LATENESS_MS, DEFAULT_LOG_RETENTION_DAYS};
use headcount_core::validate::PLACEHOLDER_IDS;

use super::finding::Finding;
use super::finding::Severity::{BreaksPromise, Note, WastesMoney};
use super::seen::{DayEvents, Function, Load, Mapping, Prover, Seen, Stream};
use crate::output::numbers::whole;

/// Write units a second that one key of a table takes, and so the event items of a day
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>).
const UNITS_OF_KEY: f64 = 1_000.0;

/// Records a second that one shard of a stream takes.
const RECORDS_OF_SHARD: f64 = 1_000.0;

/// Days that lateness and the stream's retention must stay below the log's retention: 10 until its events are frozen, 3 for
/// safety.
const FROZEN_MARGIN_DAYS: i64 = 13;

/// Seconds that the consumer should have, to wait an outage of the table out.
const PATIENT_TIMEOUT_S: i64 = 300;

/// Batches of fewer records at most, or gathered for fewer seconds, are too many puts to the event log.
const SMALL_BATCH: i64 = 1_000;
const SHORT_WINDOW_S: i64 = 5;

/// The share of a day's events from which it is worth knowing that they count for no user.
const MANY_WITHOUT_USER: f64 = 0.1;

/// Everything that is wrong, what matters most first.
pub(crate) fn findings(seen: &Seen) -> Vec<Finding> {
    let mut findings = of_stream(&seen.stream);
    if let Some(mappings) = &seen.mappings {
        findings.extend(of_mappings(mappings, seen));
    }
    if let Some(load) = &seen.load {
        let consumer = seen.mappings.iter().flatten().map(|mapping| &mapping.function).find(|one| seen.writes(one));
        findings.extend(of_load(*load, &seen.stream, consumer));
    }
    findings.extend(of_users(&seen.days));
    if let Prover::Missing(what) = seen.prover {
        findings.push(Finding::new(
            Note,
            format!("the stack has no {what}"),
            "no day is proven: figures stay live, and nothing compares the table with the event log",
            "deploy the template again",
        ));
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn of_stream(stream: &Stream) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = &stream.name;
    if stream.retention_hours <= 24 {
        findings.push(Finding::new(
            Note,
            format!("the stream {name} keeps records for {} hours", stream.retention_hours),
            "an outage that nobody mends within a day loses what was not read",
            "raise the retention (RetentionHours of the template) where nobody looks at alarms at weekends; it costs",
        ));
    }
    if !stream.is_encrypted {
        findings.push(Finding::new(
            Note,
            format!("the stream {name} is not encrypted with a key of KMS"),
            "it holds personal data",
            "switch its encryption on",
        ));
    }
    findings
}

/// What is wrong with those mappings that write into the table.
fn of_mappings(all: &[Mapping], seen: &Seen) -> Vec<Finding> {
    let mappings: Vec<&Mapping> = all.iter().filter(|mapping| seen.writes(&mapping.function)).collect();
    let mut findings = Vec::new();
    if mappings.is_empty() {
        findings.push(Finding::new(
            BreaksPromise,
            format!(
                "no event source mapping of the stream {} has a function that writes to {}",
                seen.stream.name, seen.table
            ),
            "nothing is counted",
            "deploy the template, or name the right --stream and --table",
        ));
    }
    if mappings.len() > 1 {
        findings.push(Finding::new(
            BreaksPromise,
            format!("{} event source mappings of one stream write to {}", mappings.len(), seen.table),
            "two batches of a shard may be handled at once: the later one's append makes the earlier one look covered, and its \
             events are lost",
            "delete all but one of them",
        ));
    }
    for mapping in mappings {
        findings.extend(of_mapping(mapping, &seen.stream));
        findings.extend(of_functions(&mapping.function, seen));
    }
    findings
}

fn of_mapping(mapping: &Mapping, stream: &Stream) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |severity, what: String, why: &str, remedy: &str| {
        let what = format!("the mapping {}: {what}", mapping.id);
        findings.push(Finding::new(severity, what, why, remedy));
    };
    if mapping.state != "Enabled" {
        let severity = if mapping.state.starts_with("Disabl") { BreaksPromise } else { Note };
        add(severity, format!("it is {}", mapping.state), "nothing is counted meanwhile", "enable it");
    }
    if mapping.parallelization > 1 {
        add(
            BreaksPromise,
            format!("ParallelizationFactor is {}", mapping.parallelization),
            "batches of a shard are handled at once: the later one's append makes the earlier one look covered, and its events \
             are lost",
            "set it to 1; scale with shards instead",
        );
    }
    if !mapping.reports_failures {
        add(
            BreaksPromise,
            "FunctionResponseTypes lacks ReportBatchItemFailures".to_owned(),
            "what the consumer answers as not stored is taken for done, and lost",
            "set FunctionResponseTypes to ReportBatchItemFailures",
        );
    }
    if let Some(retries) = mapping.max_retries {
        add(
            Note,
            format!("MaximumRetryAttempts is {retries}"),
            "an outage spends any number of retries within minutes, and all that arrives goes to the failure destination",
            "set it to -1: MaximumRecordAgeInSeconds ends the retries",
        );
    }
    let retention_s = stream.retention_hours * 3_600;
    if mapping.max_age_s.is_none_or(|age| age >= retention_s) {
        let age = mapping.max_age_s.map_or_else(|| "without a bound".to_owned(), |age| format!("{age} s"));
        add(
            BreaksPromise,
            format!("MaximumRecordAgeInSeconds is {age}, the stream keeps records for {retention_s} s"),
            "records are forgotten before they are given up, so that they reach no failure destination",
            "set it two hours below the stream's retention",
        );
    }
    match mapping.destination.as_deref() {
        Some(arn) if arn.contains(":s3:") => {}
        Some(arn) => add(
            BreaksPromise,
            format!("the failure destination is {arn}"),
            "it is sent a note of the records, not the records: they are lost when the stream forgets them",
            "set it to a bucket of S3, which keeps them whole for headcount redrive",
        ),
        None => add(
            BreaksPromise,
            "it has no failure destination".to_owned(),
            "what is given up is lost",
            "set DestinationConfig.OnFailure to a bucket of S3",
        ),
    }
    if !mapping.bisects {
        add(
            Note,
            "BisectBatchOnFunctionError is off".to_owned(),
            "one record that fails its batch takes the good ones along to the failure destination",
            "switch it on",
        );
    }
    if mapping.batch_size < SMALL_BATCH || mapping.window_s < SHORT_WINDOW_S {
        add(
            WastesMoney,
            format!("batches of at most {} records, gathered for {} s", mapping.batch_size, mapping.window_s),
            "every batch is an invocation and a put to the event log",
            "set BatchSize to 10000 and the window to 10 s or more; headcount cost --window shows what it saves",
        );
    }
    findings
}

/// Whether consumer, aggregator and prover agree, with each other and with the stream.
fn of_functions(function: &Function, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    if function.timeout_s < PATIENT_TIMEOUT_S {
        findings.push(Finding::new(
            Note,
            format!("the function {} is stopped after {} s", function.name, function.timeout_s),
            "an invocation that waits for a slow log or table is cut off and repeated",
            "set its Timeout to 300",
        ));
    }
    let late = lateness(function, consumer::LATENESS_DAYS);
    let default_retention = i64::from(DEFAULT_LOG_RETENTION_DAYS);
    let kept = function.variable(consumer::EVENT_RETENTION_DAYS);
    let kept_days = kept.map_or(Some(default_retention), |days| days.parse::<i64>().ok());
    let open_days = late.map(|late| late + seen.stream.retention_hours.div_euclid(24));
    if let (Some(open), Some(kept)) = (open_days, kept_days)
        && open > kept - FROZEN_MARGIN_DAYS
    {
        findings.push(Finding::new(
            BreaksPromise,
            format!(
                "events may come {open} days after their day (LATENESS_DAYS and the stream's retention), the event log \
                 keeps them {kept} days"
            ),
            "entries of a day expire while others still come, so that the day can never be counted again",
            format!("lower LATENESS_DAYS or the stream's retention, to {} days together", kept - FROZEN_MARGIN_DAYS),
        ));
    }
    if let (Some(made), Some(kept)) = (seen.log_days, kept_days)
        && i64::from(made) != kept
    {
        findings.push(Finding::new(
            if kept < i64::from(made) { BreaksPromise } else { Note },
            format!("EVENT_RETENTION_DAYS is {kept}, the deployment was made with {made}"),
            "days are proven as if entries were kept as long as the deployment says; the bucket deletes them by the new setting",
            format!("set EventRetentionDays to {made} again: it is fixed once the first event is counted"),
        ));
    }
    let kept: Vec<String> = [
        (consumer::IP_POLICY, "--ip-policy"),
        (consumer::EVENT_TYPES, "--event-types"),
        (consumer::LATENESS_DAYS, "--lateness-days"),
        (consumer::STREAM_GENERATION, "--stream-generation"),
        (consumer::PLACEHOLDER_IDS, "--placeholder-ids"),
        (consumer::PRICE_TABLE, "--prices"),
    ]
    .into_iter()
    .filter_map(|(name, option)| Some((option, function.variable(name)?)))
    // The template always sets them; the command knows the same.
    .filter(|(_, value)| *value != PLACEHOLDER_IDS.join(","))
    .map(|(option, value)| format!("{option} {}", quoted(value)))
    .collect();
    if !kept.is_empty() {
        findings.push(Finding::new(
            Note,
            "headcount redrive does the consumer's work with rules of its own".to_owned(),
            "with other rules it would keep addresses that the consumer does not, or refuse what it takes",
            format!("redrive with {}", kept.join(" ")),
        ));
    }
    if let Some(aggregator) = &seen.aggregator {
        findings.extend(of_follower("aggregator", aggregator, function, late, &seen.stream));
    }
    if let Prover::Scheduled(prover) = &seen.prover {
        findings.extend(of_follower("prover", prover, function, late, &seen.stream));
    }
    findings
}

/// Days before its arrival that an event may lie, as a function has it; `None` where that is no number.
fn lateness(function: &Function, name: &str) -> Option<i64> {
    function.variable(name).map_or(Some(DEFAULT_LATENESS_MS / DAY_MS), |days| days.parse().ok())
}

/// Whether a function that follows the log agrees with the consumer and the stream.
fn of_follower(kind: &str, other: &Function, function: &Function, late: Option<i64>, stream: &Stream) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut differ = |what: &str, ours: Option<String>, theirs: Option<String>, why: &str| {
        if ours != theirs {
            let told = |value: Option<String>| value.unwrap_or_else(|| "not set".to_owned());
            findings.push(Finding::new(
                BreaksPromise,
                format!("{what} of the {kind} {} is {}, not {}", other.name, told(theirs), told(ours)),
                why,
                format!("set {what} of both functions to the same"),
            ));
        }
    };
    let of = |function: &Function, name: &str| function.variable(name).map(str::to_owned);
    for (ours, theirs) in [
        (consumer::EVENTS_TABLE, aggregator::EVENTS_TABLE),
        (consumer::METRICS_TABLE, aggregator::METRICS_TABLE),
        (consumer::REPORTING_ZONE, aggregator::REPORTING_ZONE),
        (consumer::LOG, aggregator::LOG),
    ] {
        differ(theirs, of(function, ours), of(other, theirs), "it makes figures of something else than was counted");
    }
    let days = |days: Option<i64>| days.map(|days| days.to_string());
    let too_early = "days close before their last events are in, or stay open for nothing";
    differ(aggregator::LATENESS_DAYS, days(late), days(lateness(other, aggregator::LATENESS_DAYS)), too_early);
    let told = of(other, aggregator::RETENTION_HOURS).unwrap_or_else(|| "24".to_owned());
    differ(aggregator::RETENTION_HOURS, Some(stream.retention_hours.to_string()), Some(told), too_early);
    findings
}

/// A value as a shell takes it.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/@".contains(c);
    if value.chars().all(is_plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

/// Many events without a user are usual on public pages, and elsewhere a producer that does not know whom it serves.
fn of_users(days: &[DayEvents]) -> Option<Finding> {
    let share = |day: &DayEvents| if day.events == 0 { 0.0 } else { day.without_user as f64 / day.events as f64 };
    if days.iter().all(|day| share(day) <= MANY_WITHOUT_USER) {
        return None;
    }
    let told = |day: &DayEvents| {
        let percent = share(day) * 100.0;
        format!("{} of {} on {} ({percent:.1} %)", whole(day.without_user), whole(day.events), day.date)
    };
    let told: Vec<String> = days.iter().filter(|day| day.without_user > 0).map(told).collect();
    Some(Finding::new(
        Note,
        format!("many events count for no user: {}", told.join(", ")),
        "they have only an anonymousId, or a userId that is a placeholder such as undefined: they are in every figure but those of \
         users",
        "if they belong to users, correct the userId that the producer sends; PlaceholderIds (PLACEHOLDER_IDS) lists the placeholders",
    ))
}

fn of_load(load: Load, stream: &Stream, consumer: Option<&Function>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_off = |name| consumer.and_then(|consumer| consumer.variable(name)) == Some("false");
    let served = if is_off(consumer::USER_INDEX) { UNITS_OF_KEY } else { UNITS_OF_KEY / 2.0 };
    if !is_off(consumer::EVENT_ITEMS) && load.peak_rate > served * 0.7 {
        findings.push(Finding::new(
            Note,
            format!(
                "{:.0} events/s in the busiest hour, items of single events are written at {served:.0}",
                load.peak_rate
            ),
            "one key of the table takes 1,000 write units a second: figures are in time, but items fall behind",
            "switch event items off (EventItems), or the user index (UserIndex), which doubles the rate",
        ));
    }
    let shards_needed = (load.peak_rate * 2.0 / RECORDS_OF_SHARD).ceil().max(1.0);
    if stream.is_on_demand && load.peak_rate > 0.0 && load.peak_rate < RECORDS_OF_SHARD {
        findings.push(Finding::new(
            WastesMoney,
            format!("the stream {} is on demand, the busiest hour had {:.0} events/s", stream.name, load.peak_rate),
            "below 1,000 events/s provisioned shards cost less",
            format!("make it provisioned, with {shards_needed:.0} shards; headcount cost compares"),
        ));
    }
    if !stream.is_on_demand && stream.open_shards as f64 > shards_needed * 2.0 {
        findings.push(Finding::new(
            WastesMoney,
            format!("the stream {} has {} shards, {shards_needed:.0} would do", stream.name, stream.open_shards),
            "each costs by the hour, and each has counters of its own to rewrite",
            "lower ShardCount",
        ));
    }
    findings
}

#[cfg(test)]
mod tests;
