use super::*;
use crate::check::finding::Severity;

/// As the template deploys it.
fn good() -> Seen {
    let set = |variables: &[(&str, &str)]| {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let shared =
        [("EVENTS_TABLE", "shop"), ("METRICS_TABLE", "shop"), ("REPORTING_ZONE", "UTC"), ("LOG", "s3://shop-log")];
    let mapping = Mapping {
        id: "m".into(),
        state: "Enabled".into(),
        parallelization: 1,
        max_retries: None,
        max_age_s: Some(46 * 3_600),
        destination: Some("arn:aws:s3:::shop-failures".into()),
        reports_failures: true,
        bisects: true,
        batch_size: 10_000,
        window_s: 10,
        function: Function { name: "shop-consumer".into(), timeout_s: 300, variables: set(&shared) },
    };
    let follower = [&shared[..], &[("RETENTION_HOURS", "48"), ("LATENESS_DAYS", "7")]].concat();
    Seen {
        stream: Stream {
            name: "shop-events".into(),
            retention_hours: 48,
            is_on_demand: false,
            open_shards: 1,
            is_encrypted: true,
        },
        table: "shop".into(),
        mappings: Some(vec![mapping]),
        aggregator: Some(Function { name: "shop-aggregator".into(), timeout_s: 900, variables: set(&follower) }),
        prover: Prover::Scheduled(Function { name: "shop-prover".into(), timeout_s: 900, variables: set(&follower) }),
        load: Some(Load { peak_rate: 20.0 }),
        log_days: Some(90),
        days: vec![day("2026-03-09", 100), day("2026-03-10", 99)],
    }
}

/// Of 1,000 events.
fn day(date: &str, without_user: u64) -> DayEvents {
    DayEvents { date: date.parse().unwrap(), events: 1_000, without_user }
}

#[test]
fn what_the_template_deploys_is_good() {
    assert_eq!(findings(&good()), []);
}

#[test]
fn each_spoiled_setting_is_found_and_nothing_else() {
    type Spoil = fn(&mut Seen);
    fn mapping(seen: &mut Seen) -> &mut Mapping {
        &mut seen.mappings.as_mut().unwrap()[0]
    }
    fn consumer(seen: &mut Seen, name: &str, value: &str) {
        mapping(seen).function.variables.insert(name.into(), value.into());
    }
    fn aggregator(seen: &mut Seen, name: &str, value: &str) {
        seen.aggregator.as_mut().unwrap().variables.insert(name.into(), value.into());
    }
    fn prover(seen: &mut Seen, name: &str, value: &str) {
        let Prover::Scheduled(prover) = &mut seen.prover else { panic!("a good deployment has a prover") };
        prover.variables.insert(name.into(), value.into());
    }
    let cases: [(Severity, &str, Spoil); 36] = [
        (BreaksPromise, "ParallelizationFactor is 2", |seen| mapping(seen).parallelization = 2),
        (Note, "MaximumRetryAttempts is 100", |seen| mapping(seen).max_retries = Some(100)),
        (BreaksPromise, "is without a bound", |seen| mapping(seen).max_age_s = None),
        (BreaksPromise, "is 172800 s, the stream keeps records for 172800 s", |seen| {
            mapping(seen).max_age_s = Some(48 * 3_600);
        }),
        (BreaksPromise, "no failure destination", |seen| mapping(seen).destination = None),
        (BreaksPromise, "destination is arn:aws:sqs:", |seen| mapping(seen).destination = Some("arn:aws:sqs:x".into())),
        (BreaksPromise, "destination is arn:aws:sns:", |seen| mapping(seen).destination = Some("arn:aws:sns:x".into())),
        (BreaksPromise, "ReportBatchItemFailures", |seen| mapping(seen).reports_failures = false),
        (Note, "BisectBatchOnFunctionError is off", |seen| mapping(seen).bisects = false),
        (WastesMoney, "at most 100 records", |seen| mapping(seen).batch_size = 100),
        (WastesMoney, "gathered for 0 s", |seen| mapping(seen).window_s = 0),
        (BreaksPromise, "it is Disabled", |seen| mapping(seen).state = "Disabled".into()),
        (Note, "it is Updating", |seen| mapping(seen).state = "Updating".into()),
        (BreaksPromise, "2 event source mappings", |seen| {
            let again = mapping(seen).clone();
            seen.mappings.as_mut().unwrap().push(again);
        }),
        (BreaksPromise, "no event source mapping", |seen| seen.mappings = Some(Vec::new())),
        (BreaksPromise, "no event source mapping", |seen| consumer(seen, "EVENTS_TABLE", "other")),
        (Note, "stopped after 60 s", |seen| mapping(seen).function.timeout_s = 60),
        (Note, "headcount redrive", |seen| consumer(seen, "IP_POLICY", "truncate")),
        (Note, "headcount redrive", |seen| consumer(seen, "PLACEHOLDER_IDS", "test")),
        (Note, "no user: 100 of 1,000 on 2026-03-09 (10.0 %), 101 of 1,000 on 2026-03-10 (10.1 %)", |seen| {
            seen.days[1].without_user = 101;
        }),
        (Note, "no user: 1,000 of 1,000 on 2026-03-09", |seen| seen.days = vec![day("2026-03-09", 1_000)]),
        (BreaksPromise, "METRICS_TABLE of the aggregator", |seen| aggregator(seen, "METRICS_TABLE", "old")),
        (BreaksPromise, "REPORTING_ZONE of the aggregator", |seen| aggregator(seen, "REPORTING_ZONE", "Asia/Tokyo")),
        (BreaksPromise, "LATENESS_DAYS of the aggregator", |seen| aggregator(seen, "LATENESS_DAYS", "3")),
        (BreaksPromise, "RETENTION_HOURS of the aggregator", |seen| aggregator(seen, "RETENTION_HOURS", "24")),
        (Note, "not encrypted", |seen| seen.stream.is_encrypted = false),
        (Note, "400 events/s in the busiest hour", |seen| seen.load.as_mut().unwrap().peak_rate = 400.0),
        (Note, "written at 1000", |seen| {
            consumer(seen, "USER_INDEX", "false");
            seen.stream.open_shards = 2;
            seen.load.as_mut().unwrap().peak_rate = 800.0;
        }),
        (BreaksPromise, "LOG of the prover", |seen| prover(seen, "LOG", "s3://other")),
        (BreaksPromise, "LATENESS_DAYS of the prover", |seen| prover(seen, "LATENESS_DAYS", "3")),
        (Note, "the stack has no ProofSchedule", |seen| seen.prover = Prover::Missing("ProofSchedule")),
        (BreaksPromise, "LOG of the aggregator", |seen| aggregator(seen, "LOG", "s3://other")),
        (BreaksPromise, "EVENT_RETENTION_DAYS is 90, the deployment was made with 365", |seen| {
            seen.log_days = Some(365);
        }),
        (Note, "EVENT_RETENTION_DAYS is 90, the deployment was made with 30", |seen| seen.log_days = Some(30)),
        (WastesMoney, "on demand", |seen| seen.stream.is_on_demand = true),
        (WastesMoney, "has 8 shards, 1 would do", |seen| seen.stream.open_shards = 8),
    ];
    for (severity, says, spoil) in cases {
        let mut seen = good();
        spoil(&mut seen);
        let found = findings(&seen);
        let named = found.iter().find(|finding| finding.what.contains(says));
        let named = named.unwrap_or_else(|| panic!("{says}: {found:#?}"));
        assert_eq!(named.severity, severity, "{says}");
        // Two of the same break every setting of the second one just as well, and rules for redrive go with some.
        let same = found.iter().filter(|other| other.severity < Note).count();
        assert!(same <= 1, "{says}: {found:#?}");
    }
}

#[test]
fn a_redrive_is_told_the_placeholders_only_where_they_are_not_the_built_in_ones() {
    let told = |ids: &str| {
        let mut seen = good();
        let variables = &mut seen.mappings.as_mut().unwrap()[0].function.variables;
        variables.insert("PLACEHOLDER_IDS".into(), ids.into());
        findings(&seen).into_iter().map(|finding| finding.remedy).collect::<Vec<_>>()
    };
    assert_eq!(told(&PLACEHOLDER_IDS.join(",")), Vec::<String>::new());
    assert_eq!(told("null,test"), ["redrive with --placeholder-ids null,test"]);
    assert_eq!(told("[object Object],it's"), [r"redrive with --placeholder-ids '[object Object],it'\''s'"]);
}

#[test]
fn events_must_come_well_before_the_log_expires() {
    let says = |seen: &Seen, text: &str| {
        let found = findings(seen);
        let named = found.iter().any(|finding| finding.what.contains(text));
        assert!(named == found.iter().any(|finding| finding.what.contains("may come")), "{found:#?}");
        named
    };
    let mut seen = good();
    seen.stream.retention_hours = 8_760;
    assert!(says(&seen, "may come 372 days after their day"));
    let mut seen = good();
    let variables = &mut seen.mappings.as_mut().unwrap()[0].function.variables;
    variables.insert("EVENT_RETENTION_DAYS".into(), "22".into());
    seen.log_days = Some(22);
    assert!(!says(&seen, "may come"));
    seen.mappings.as_mut().unwrap()[0].function.variables.insert("EVENT_RETENTION_DAYS".into(), "21".into());
    assert!(says(&seen, "keeps them 21 days"));
}

#[test]
fn without_event_items_no_key_is_hot() {
    let mut seen = good();
    seen.stream.open_shards = 2;
    seen.load.as_mut().unwrap().peak_rate = 900.0;
    seen.mappings.as_mut().unwrap()[0].function.variables.insert("EVENT_ITEMS".into(), "false".into());
    assert_eq!(findings(&seen), []);
}

#[test]
fn on_one_machine_there_is_no_mapping_to_look_at() {
    let seen = Seen { mappings: None, aggregator: None, prover: Prover::Unknown, ..good() };
    assert_eq!(findings(&seen), []);
}
