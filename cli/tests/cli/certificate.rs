//! `headcount certificate` over a log with everything that makes a day hard to count; the same count by a script and by SQL that
//! use nothing of ours, as the documents print them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use headcount_core::calendar::{day_of, start_of};
use headcount_core::deployment::Deployment;
use headcount_core::event::{Event, EventType};
use headcount_core::exact::{Proof, ProvenFigures, ProvenSource};
use headcount_core::limits::DAY_MS;
use headcount_core::origin::{Origin, Source};
use headcount_core::rejection::{Payload, Problem, Rejection};
use headcount_log::entry::encode;
use headcount_log::{Append, Content, EntryFacts, Log, LoggedRejection};
use headcount_proof::{Position, Proving, prove};
use headcount_runtime::compute::Compute;
use headcount_runtime::retry::Jitter;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

/// As on the pages. The zone's clock goes forward on [`date`]: the day has 23 hours.
const ZONE: Tz = Tz::Europe__Berlin;

fn date() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 29).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

struct World {
    folder: tempfile::TempDir,
    log: Log,
    newest: BTreeMap<Source, u64>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::in_folder(folder.path(), Jitter::from_seed(1)).unwrap();
        log.open_deployment(&Deployment::new("d-1".to_owned(), ZONE, "shop"), soon()).await.unwrap();
        Self { folder, log, newest: BTreeMap::new() }
    }

    fn place(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// Appends an entry with these events, and with duplicates and a rejection of the day when it is appended.
    async fn append(&mut self, source: &Source, appended_ms: i64, events: &[Event<'static>]) {
        let newest = self.newest.entry(source.clone()).or_default();
        *newest += 1;
        let mut content = Content::default();
        for (index, event) in (0..).zip(events) {
            let day = day_of(ZONE, event.counted_ms).unwrap();
            content.days.entry(day).or_default().events.push((index, event.clone()));
        }
        let today = content.days.entry(day_of(ZONE, appended_ms).unwrap()).or_default();
        (today.duplicates, today.rejected) = (2, 1);
        content.rejections.push(LoggedRejection {
            rejection: Rejection {
                problems: vec![Problem::new("userId", "must not be empty")],
                payload: Payload::Text { text: "{\"eventId\":\"bad\"}".to_owned(), truncated: false },
                count: 1,
            },
            origin: Origin { source: source.clone(), sequence: (*newest).into(), index: 0 },
            arrived_ms: appended_ms,
        });
        let facts = EntryFacts {
            deployment: "d-1".to_owned(),
            source: source.clone(),
            entry: *newest,
            last: (*newest).into(),
            appended_ms,
            arrived_ms: appended_ms,
        };
        let appended = self.log.append(source, *newest, encode(&facts, &content), soon()).await;
        assert_eq!(appended, Ok(Append::Created));
    }

    /// Three days of two shards, one of them made again, an import and a redrive: events come twice in an entry, in both shards at
    /// once, again after the consumer forgot them, again days later, with another content under their id.
    async fn dirty(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = Self::new().await;
        let shard =
            |generation, shard: u64| Source::shard("events", generation, &format!("shardId-{shard:012}")).unwrap();
        let shards = [shard(None, 0), shard(None, 1), shard(Some("2"), 0)];
        let begin = start_of(ZONE, date()) - DAY_MS;
        let mut sent: Vec<Event<'static>> = Vec::new();
        // An hour at a time, and two days in which nothing but repetitions come.
        for hour in 0..120 {
            let now_ms = begin + (hour + 1) * 3_600_000;
            for shard in &shards {
                let mut events = Vec::new();
                for n in 0..random.u32(0..12) {
                    let earlier = (!sent.is_empty()).then(|| sent[random.usize(..sent.len())].clone());
                    let again = hour >= 72 || random.u8(0..4) == 0;
                    let mut one = match earlier {
                        Some(earlier) if again => earlier,
                        _ if hour < 72 => {
                            let id = format!("{hour}-{shard}-{n}");
                            event(&mut random, id, now_ms)
                        }
                        _ => continue,
                    };
                    match random.u8(0..12) {
                        0 => one.user_id = "mallory".into(),
                        1 => (one.timestamp_ms, one.counted_ms) = (one.timestamp_ms + 1, one.counted_ms + 1),
                        _ => {}
                    }
                    events.push(one);
                }
                if random.u8(0..4) == 0 {
                    events.extend(events.first().cloned());
                }
                sent.extend(events.iter().cloned());
                if !events.is_empty() || random.bool() {
                    world.append(shard, now_ms, &events).await;
                }
            }
        }
        for (source, share) in [(Source::import(7), 10), (Source::redrive("failures/1"), 20)] {
            let again: Vec<_> = sent.iter().filter(|_| random.u8(0..100) < share).cloned().collect();
            for events in again.chunks(40) {
                world.append(&source, begin + 6 * DAY_MS, events).await;
            }
        }
        world
    }

    /// What `headcount prove` stores.
    async fn prove(&self) -> ProvenFigures {
        let one =
            |(source, newest): (&Source, &u64)| Position { source: source.clone(), entry: *newest, newest: *newest };
        let positions: Vec<_> = self.newest.iter().map(one).collect();
        let proving = Proving {
            log: &self.log,
            zone: ZONE,
            precision: 14,
            sources: &positions,
            dates: &BTreeSet::from([date()]),
            late_ms: 9 * DAY_MS,
            expected: 1_000,
            memory: 1 << 30,
            at_once: 4,
            compute: Compute::Pool,
            deadline: soon(),
        };
        let mut proven = prove(proving).await.unwrap().remove(&date()).unwrap();
        let number = self.log.proof(date(), soon()).await.unwrap().map_or(0, |known| known.proven.number) + 1;
        let figures = ProvenFigures {
            date: date(),
            number,
            positions: self.newest.values().sum(),
            first_ms: proven.first_ms.unwrap(),
            proven_ms: 1_775_000_000_000,
            figures: proven.figures,
            damaged: proven.damaged,
        };
        let source = |(source, entry): (&Source, &u64)| {
            let raw = proven.partials.get(source).map(|partial| partial.counters.clone());
            (source.clone(), ProvenSource { entry: *entry, raw })
        };
        let sources = self.newest.iter().map(source).collect();
        let (users, sessions, accounts) = (proven.users.encode(), proven.sessions.encode(), proven.accounts.encode());
        let proof = Proof { proven: figures.clone(), sources, users, sessions, accounts };
        assert_eq!(self.log.put_proof(&proof, soon()).await, Ok(Append::Created));
        figures
    }

    fn certify(&self, code: i32) -> Output {
        let output = run(&["certificate", "--date", &date().to_string(), "--log", self.place()]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        output
    }

    /// A file with this text, next to the log.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn check(&self, certificate: &Path, code: i32) -> Value {
        let output = run(&["certificate", "--check", certificate.to_str().unwrap(), "--log", self.place(), "--json"]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    }
}

fn event(random: &mut fastrand::Rng, id: String, now_ms: i64) -> Event<'static> {
    let custom = EventType::Custom("signup".into());
    let types = EventType::BUILT_IN.into_iter().chain([custom]).collect::<Vec<_>>();
    let user = random.u32(0..60);
    let name = match random.u8(0..12) {
        0 => Value::Null,
        1 => json!(""),
        2 => json!(7),
        3 => json!({"is": "no name"}),
        4 => json!("größe \"x\"\n"),
        n => json!(format!("name-{n}")),
    };
    let mut data =
        json!({"feature": name, "contentType": name, "errorType": name, "model": "m", "tokens": 3, "cost": 0.001});
    if name.is_null() {
        data = json!({});
    }
    let timestamp_ms = now_ms - random.i64(0..3 * 3_600_000);
    // A clock that was wrong by a quarter of an hour or more was corrected.
    let wrong = if random.u8(0..6) == 0 { random.i64(-60..60) * 900_000 } else { 0 };
    Event {
        id: id.into(),
        user_id: if user == 0 { "anonymous:x".into() } else { format!("user-{user}").into() },
        session_id: (random.u8(0..7) > 0).then(|| format!("s-{}", random.u32(0..4)).into()),
        event_type: types[random.usize(..types.len())].clone(),
        account_id: None,
        timestamp_ms: timestamp_ms + wrong,
        counted_ms: timestamp_ms,
        priced_by: None,
        event_data: data.into(),
        metadata: if random.u8(0..9) == 0 { json!({}) } else { json!({"platform": "web"}) }.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_printed_stored_and_confirmed() {
    let mut world = World::dirty(1).await;
    let refused = world.certify(1);
    assert_one_line(&refused, &["has no proof yet", "headcount prove --date 2026-03-29"]);

    let figures = world.prove().await;
    let printed = world.certify(0);
    let certificate: Value = serde_json::from_str(&stdout(&printed)).unwrap();
    assert!(stderr(&printed).contains("certificate/2026-03-29/1.json"), "{}", stderr(&printed));
    let stored = std::fs::read_to_string(world.folder.path().join("certificate/2026-03-29/1.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), certificate);
    assert_eq!(certificate["figures"], serde_json::to_value(&figures.figures).unwrap());
    let said = ["deployment", "project", "zone", "date"].map(|field| certificate[field].as_str().unwrap());
    assert_eq!(said, ["d-1", "shop", "Europe/Berlin", "2026-03-29"]);
    assert_eq!(certificate["positions"], serde_json::to_value(&world.newest).unwrap());
    assert_eq!(certificate["proof"], json!({"number": 1, "provenMs": figures.proven_ms}));
    assert_eq!(stdout(&world.certify(0)), stdout(&printed), "again, it is the same");

    let file = world.file("certificate.json", &stdout(&printed));
    assert_eq!(world.check(&file, 0)["passed"], true);
    let output = run(&["certificate", "--check", file.to_str().unwrap(), "--log", world.place()]);
    assert!(stdout(&output).contains("confirmed"), "{}", stdout(&output));

    // Each value that was changed is named, and none else.
    let mut changed = certificate.clone();
    changed["figures"]["users"] = json!(1);
    changed["figures"]["counters"]["by_type"]["signup"] = json!(1);
    changed["project"] = json!("other");
    let outcome = world.check(&world.file("changed.json", &changed.to_string()), 1);
    let named: Vec<_> = outcome["mismatches"].as_array().unwrap().iter().map(|found| &found["field"]).collect();
    assert_eq!(named, ["figures.counters.by_type.signup", "figures.users", "project"]);

    // Later events do not make the certificate wrong, and keep the day from being certified anew.
    let source = world.newest.keys().next().unwrap().clone();
    let now_ms = start_of(ZONE, date()) + DAY_MS / 2;
    let late = event(&mut fastrand::Rng::with_seed(3), "late".to_owned(), now_ms);
    world.append(&source, now_ms + 6 * DAY_MS, &[late]).await;
    assert_eq!(world.check(&file, 0)["since"], 1);
    assert_one_line(&world.certify(1), &["1 events of 2026-03-29 were appended since", "headcount prove --date"]);
    world.prove().await;
    world.certify(0);
    assert!(world.folder.path().join("certificate/2026-03-29/2.json").exists());
    assert_eq!(world.check(&file, 0)["passed"], true, "the first one stays right");

    // An entry of the day that is not what it was.
    let name = format!("log/{source}/000000000030.ndjson.zst");
    let (path, kept) = (world.folder.path().join(name), world.folder.path().join("kept"));
    std::fs::rename(&path, &kept).unwrap();
    let outcome = world.check(&file, 1);
    assert_eq!(outcome["unreadable"][0]["entry"], 30, "{outcome:#}");
    assert_one_line(&world.certify(1), &["entry 30", "missing"]);
    std::fs::rename(&kept, &path).unwrap();
    assert_eq!(world.check(&file, 0)["passed"], true);
}

/// The Python that `cargo xtask test` makes.
fn python() -> String {
    std::env::var("HEADCOUNT_TEST_PYTHON")
        .expect("HEADCOUNT_TEST_PYTHON names a Python that has duckdb: run `cargo xtask test`, which installs it")
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_uses_nothing_of_ours_says_the_same() {
    for seed in 1..4 {
        let world = World::dirty(seed).await;
        world.prove().await;
        let printed = stdout(&world.certify(0));
        let script = |certificate: &Path| {
            let mut command = Command::new(python());
            command.arg(docs().join("check_certificate.py")).arg(certificate).arg(world.folder.path()).output().unwrap()
        };
        let output = script(&world.file("certificate.json", &printed));
        let said = stdout(&output) + &stderr(&output);
        assert_eq!((output.status.code(), said.trim()), (Some(0), "2026-03-29: confirmed"), "seed {seed}");
        let mut changed: Value = serde_json::from_str(&printed).unwrap();
        let position = changed["positions"]["events/shardId-000000000001"].take().as_u64().unwrap();
        changed["positions"]["events/shardId-000000000001"] = json!(position / 2);
        let output = script(&world.file("changed.json", &changed.to_string()));
        assert_eq!(output.status.code(), Some(1));
        assert!(stdout(&output).contains("merkleRoot: certified"), "{}{}", stdout(&output), stderr(&output));
    }
}

/// The statements of the page that are in SQL, as it prints them.
fn statements(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(docs().join(page)).unwrap();
    text.split("```sql\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// What the statements count, in their own form.
fn rows(figures: &ProvenFigures) -> BTreeSet<(String, String, u64)> {
    let exact = &figures.figures;
    let counters = serde_json::to_value(&exact.counters).unwrap();
    let mut rows = BTreeSet::new();
    let mut add = |figure: &str, name: &str, value: u64| rows.insert((figure.to_owned(), name.to_owned(), value));
    for (figure, kind) in [("type", "by_type"), ("feature", "features")] {
        for (name, count) in counters[kind].as_object().unwrap() {
            add(figure, name, count.as_u64().unwrap());
        }
    }
    for (hour, count) in (0..).zip(exact.counters.by_hour).filter(|(_, count)| *count > 0) {
        add("hour", &format!("{hour}"), count);
    }
    let sessions = exact.sessions.count;
    let of_counters = &exact.counters;
    for (figure, value) in [
        ("events", of_counters.events),
        ("duplicates", of_counters.duplicates),
        ("rejected", of_counters.rejected),
        ("users", exact.users),
        ("sessions", sessions),
    ] {
        add(figure, "", value);
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_sql_says_the_same() {
    let statements = statements("sql.md");
    let duckdb = statements.iter().find(|statement| statement.contains("read_json")).unwrap();
    for seed in 4..7 {
        let world = World::dirty(seed).await;
        let figures = world.prove().await;
        let script = "import duckdb, json, sys; print(json.dumps(duckdb.sql(sys.stdin.read()).fetchall()))";
        let mut command = Command::new(python());
        command.args(["-c", script]).current_dir(world.folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(duckdb.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let found: Vec<(String, String, u64)> = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), rows(&figures), "seed {seed}");
    }
    // Athena's statement is DuckDB's, but for how it reads the files.
    let of = |statement: &str| statement.split("-- Count").nth(1).map(str::to_owned);
    let athena = statements.iter().filter(|statement| !statement.contains("read_json")).find_map(|one| of(one));
    assert_eq!((athena.is_some(), of(duckdb)), (true, athena));
}
