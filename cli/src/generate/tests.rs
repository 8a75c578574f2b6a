//! The generator against its promises.

mod sampled;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono_tz::Tz;
use headcount_core::calendar::{day_of, days_after};
use headcount_core::hash::hash64;
use serde_json::Value;

use super::truth::Truth;
use super::*;

/// 2026-03-04T15:00:00Z.
const END_MS: i64 = 1_772_636_400_000;

/// What 2,000 lines of seeds 1 and 42 hash to. Whoever changes on purpose what is generated changes these too.
const GOLDEN_1: u64 = 16_209_107_964_173_794_050;
const GOLDEN_42: u64 = 1_999_198_161_583_217_104;

fn options(events: u64, seed: u64) -> GeneratorOptions {
    GeneratorOptions { events, seed, ..GeneratorOptions::new(END_MS) }
}

fn lines(options: &GeneratorOptions) -> Vec<Line> {
    Generator::new(options).unwrap().collect()
}

fn fingerprint(options: &GeneratorOptions) -> u64 {
    let texts: Vec<String> = lines(options).into_iter().map(|line| line.json).collect();
    hash64(texts.join("\n").as_bytes())
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_ever() {
    for (seed, golden) in [(1, GOLDEN_1), (42, GOLDEN_42)] {
        let options = options(2_000, seed);
        assert_eq!(fingerprint(&options), golden, "seed {seed}");
        assert_eq!(fingerprint(&options), fingerprint(&options), "seed {seed}");
    }
}

#[test]
fn exactly_as_many_lines_as_asked_for_whatever_the_options() {
    let rates = [(0.0, 0.0), (0.01, 0.01), (1.0, 0.0), (0.0, 0.5), (0.3, 0.3)];
    for (seed, events) in [0, 1, 2, 7, 500, 3_000].into_iter().enumerate() {
        for (invalid_rate, duplicate_rate) in rates {
            for (days, zone, users) in [(1, Tz::UTC, 1), (3, chrono_tz::Asia::Kathmandu, 50), (400, Tz::UTC, 100_000)] {
                let options = GeneratorOptions {
                    users,
                    days,
                    zone,
                    invalid_rate,
                    duplicate_rate,
                    ..options(events, seed as u64)
                };
                let mut generator = Generator::new(&options).unwrap();
                assert_eq!(generator.size_hint(), (events as usize, Some(events as usize)));
                assert_eq!(generator.by_ref().count() as u64, events, "{options:?}");
                assert!(generator.next().is_none(), "{options:?}");
            }
        }
    }
}

#[test]
fn the_shares_of_invalid_lines_and_duplicates_are_those_asked_for() {
    for (seed, invalid_rate, duplicate_rate) in [(1, 0.01, 0.01), (2, 0.2, 0.0), (3, 0.0, 0.3), (4, 0.25, 0.25)] {
        let lines = lines(&GeneratorOptions { invalid_rate, duplicate_rate, ..options(40_000, seed) });
        let share =
            |wanted: fn(&Kind) -> bool| lines.iter().filter(|line| wanted(&line.kind)).count() as f64 / 40_000.0;
        let near = |found: f64, asked: f64| (found - asked).abs() <= 0.1 * asked + 0.001;
        let (invalid, duplicates) =
            (share(|kind| matches!(kind, Kind::Invalid(_))), share(|kind| matches!(kind, Kind::Duplicate)));
        assert!(near(invalid, invalid_rate), "seed {seed}: {invalid} invalid");
        assert!(near(duplicates, duplicate_rate), "seed {seed}: {duplicates} duplicates");
    }
}

#[test]
fn every_flaw_occurs_and_shows() {
    let lines = lines(&GeneratorOptions { invalid_rate: 0.5, ..options(2_000, 5) });
    let mut seen = BTreeSet::new();
    for line in &lines {
        let Kind::Invalid(flaw) = line.kind else { continue };
        seen.insert(flaw);
        let parsed = serde_json::from_str::<Value>(&line.json);
        assert_eq!(parsed.is_err(), flaw == Flaw::NotJson, "{}", line.json);
        let event = parsed.unwrap_or_default();
        let shows = match flaw {
            Flaw::NoMetadata => event.get("metadata").is_none(),
            Flaw::UnknownType => event["eventType"] == "pageview!",
            Flaw::NegativeCost => event["eventData"]["cost"].as_f64().unwrap() < 0.0,
            Flaw::NoUser => event.get("userId").is_none(),
            Flaw::SeveralProblems => event["metadata"].get("platform").is_none(),
            Flaw::TooOld => event["timestamp"].as_i64().unwrap() < 1_000_100_000_000,
            Flaw::TooFarAhead => event["timestamp"].as_i64().unwrap() > END_MS + 3_000 * 86_400_000,
            Flaw::NotJson => true,
        };
        assert!(shows, "{flaw:?}: {}", line.json);
    }
    assert_eq!(seen.len(), Flaw::ALL.len());
}

#[test]
fn duplicates_are_the_very_bytes_of_an_earlier_event_and_ids_are_unique() {
    let mut fresh = HashMap::new();
    let mut ids = BTreeSet::new();
    let mut duplicates = 0;
    for (place, line) in lines(&options(20_000, 6)).into_iter().enumerate() {
        match line.kind {
            Kind::Fresh(_) => {
                let event: Value = serde_json::from_str(&line.json).unwrap();
                assert!(ids.insert(event["eventId"].as_str().unwrap().to_owned()));
                assert_eq!(event["userId"].as_str(), Some(&*line.partition_key));
                fresh.insert(line.json, (place, line.timestamp_ms));
            }
            Kind::Duplicate => {
                duplicates += 1;
                let (earlier, at_ms) = fresh[&line.json];
                assert!(earlier < place);
                assert_eq!(at_ms, line.timestamp_ms);
            }
            Kind::Invalid(_) => {}
        }
    }
    assert!(duplicates > 100, "{duplicates}");
}

#[test]
fn ids_carry_the_time_of_their_event_and_both_forms_of_time_are_the_line_s() {
    let mut forms = [0, 0];
    for line in lines(&options(1_000, 7)) {
        let Kind::Fresh(_) = line.kind else { continue };
        let event: Value = serde_json::from_str(&line.json).unwrap();
        let id = uuid::Uuid::parse_str(event["eventId"].as_str().unwrap()).unwrap();
        assert_eq!(id.get_version_num(), 7);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!(seconds as i64 * 1_000 + i64::from(nanos) / 1_000_000, line.timestamp_ms);
        let at_ms = if let Some(text) = event["timestamp"].as_str() {
            forms[0] += 1;
            chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
        } else {
            forms[1] += 1;
            event["timestamp"].as_i64().unwrap()
        };
        assert_eq!(at_ms, line.timestamp_ms);
    }
    assert!(forms.iter().all(|count| *count > 50), "{forms:?}");
}

#[test]
fn events_lie_in_the_window_cover_its_days_and_come_roughly_in_order() {
    for (seed, zone) in [(8, Tz::UTC), (9, chrono_tz::America::New_York)] {
        let options = GeneratorOptions { zone, days: 5, ..options(20_000, seed) };
        let lines = lines(&options);
        let dates: BTreeSet<_> = lines.iter().filter_map(|line| day_of(zone, line.timestamp_ms)).collect();
        assert_eq!(dates.len(), 5, "{zone}");
        assert_eq!(dates.last().copied(), day_of(zone, END_MS));
        assert!(lines.iter().all(|line| (options.start_ms()..=END_MS).contains(&line.timestamp_ms)));
        let mut latest = i64::MIN;
        let far_behind = lines.iter().filter(|line| {
            latest = latest.max(line.timestamp_ms);
            latest - line.timestamp_ms > 60_000
        });
        let far_behind = far_behind.count();
        assert!((1..400).contains(&far_behind), "{zone}: {far_behind} lines come more than a minute late");
    }
}

#[test]
fn users_are_heavy_tailed_and_sessions_have_several_events_and_cross_midnight() {
    let lines = lines(&options(40_000, 10));
    let mut by_user: BTreeMap<_, u64> = BTreeMap::new();
    let mut by_session: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for line in &lines {
        let Kind::Fresh(fact) = &line.kind else { continue };
        *by_user.entry(fact.user_id.clone()).or_default() += 1;
        by_session.entry(fact.session_id.clone()).or_default().push(line.timestamp_ms);
    }
    let mut counts: Vec<u64> = by_user.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let all: u64 = counts.iter().sum();
    let busiest: u64 = counts[..counts.len() / 10].iter().sum();
    assert!(busiest * 100 > all * 35, "the busiest tenth has {busiest} of {all}");
    assert!(counts[0] * 100 < all * 2, "the busiest user has {} of {all}", counts[0]);

    let average = all as f64 / by_session.len() as f64;
    assert!((5.0..11.0).contains(&average), "{average} events a session");
    let days_of = |times: &Vec<i64>| times.iter().filter_map(|ms| day_of(Tz::UTC, *ms)).collect::<BTreeSet<_>>().len();
    assert!(by_session.values().filter(|times| days_of(times) == 2).count() > 3);
}

#[test]
fn what_is_planned_ahead_stays_far_below_what_is_generated() {
    let mut generator = Generator::new(&GeneratorOptions { days: 30, ..options(50_000, 11) }).unwrap();
    let mut most = 0;
    while generator.next().is_some() {
        most = most.max(generator.queue.len());
    }
    assert!(most < 1_000, "{most} lines planned ahead");
}

#[test]
fn the_truth_adds_up() {
    for (seed, zone) in [(12, Tz::UTC), (13, chrono_tz::Asia::Kathmandu)] {
        let options = GeneratorOptions { zone, days: 4, ..options(10_000, seed) };
        let mut truth = Truth::new(zone);
        for line in Generator::new(&options).unwrap() {
            truth.observe(&line);
        }
        assert_eq!(truth.events() + truth.duplicates() + truth.rejected(), 10_000, "seed {seed}");
        let dates: Vec<_> = truth.days().collect();
        assert_eq!(dates.len(), 4);
        let mut known = 0;
        for date in dates {
            let day = truth.day(date);
            let counts = &day.counts;
            assert_eq!(counts.by_type.values().sum::<u64>(), counts.events);
            assert_eq!(counts.by_hour.iter().sum::<u64>(), counts.events);
            assert_eq!(counts.platforms.values().sum::<u64>(), counts.events);
            assert_eq!(counts.features.values().sum::<u64>(), counts.by_type["feature_use"]);
            assert_eq!(counts.content.values().sum::<u64>(), counts.by_type["content_create"]);
            assert_eq!(counts.errors.values().sum::<u64>(), counts.by_type["error"]);
            assert_eq!(counts.ai.requests, counts.by_type["ai_request"]);
            assert_eq!(counts.models.values().map(|model| model.cost_nanos).sum::<u64>(), counts.ai.cost_nanos);
            known += day.new_users;
            assert_eq!((day.total_users, day.weekly_users, day.monthly_users), (known, known, known));
            assert!(day.active_users >= day.new_users && day.active_users <= known);
            assert!(day.sessions.p50_ms <= day.sessions.p95_ms && day.sessions.deviation_ms > 0.0);
        }
        let after = truth.day(days_after(day_of(zone, END_MS).unwrap(), 7));
        assert_eq!((after.weekly_users, after.monthly_users, after.counts.events), (0, known, 0));
    }
}

#[test]
fn options_out_of_bounds_are_named() {
    let good = options(10, 1);
    for (bad, named) in [
        (GeneratorOptions { users: 0, ..good }, "users"),
        (GeneratorOptions { users: u32::MAX, ..good }, "users"),
        (GeneratorOptions { days: 0, ..good }, "days"),
        (GeneratorOptions { days: 401, ..good }, "days"),
        (GeneratorOptions { end_ms: 0, ..good }, "end"),
        (GeneratorOptions { end_ms: i64::MAX, ..good }, "end"),
        (GeneratorOptions { invalid_rate: 1.1, ..good }, "invalid rate"),
        (GeneratorOptions { invalid_rate: f64::NAN, ..good }, "invalid rate"),
        (GeneratorOptions { duplicate_rate: -0.1, ..good }, "duplicate rate"),
        (GeneratorOptions { duplicate_rate: 0.5, invalid_rate: 0.1, ..good }, "duplicate rate"),
    ] {
        let error = Generator::new(&bad).unwrap_err();
        assert_eq!(error.option, named);
        assert!(error.to_string().starts_with(&format!("the {named} must ")), "{error}");
    }
}
