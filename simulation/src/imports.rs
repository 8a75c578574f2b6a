//! Files of history, each a source of its own, imported more than once at times.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use headcount_core::hash::hash128;
use headcount_core::origin::Source;

use crate::producers::{json_of, said};
use crate::redrive::until_done;
use crate::scenario::Cause;
use crate::stream::Record;
use crate::tally::Kind;
use crate::time::HOUR_MS;
use crate::truth::{Content, Said};
use crate::world::World;
use crate::{ages, chance};

/// A file as it is imported: one record a line, all arriving with the newest event.
#[derive(Clone)]
struct File {
    source: Source,
    records: Vec<Record>,
    lines: Vec<Said>,
}

impl File {
    fn draw(world: &World, number: u32, random: &mut fastrand::Rng) -> Self {
        let at_ms = if world.params.is_long {
            world.time.now_ms() - random.i64(0..world.params.span_ms / 2)
        } else {
            world.params.began_ms + random.i64(0..world.params.span_ms)
        };
        let mut lines: Vec<Said> =
            (0..random.u32(1..12)).map(|line| said(world, at_ms, (1_000 + number, line), random)).collect();
        // An import's lines say when they happened.
        for line in &mut lines {
            line.timestamp_ms.get_or_insert(at_ms - HOUR_MS);
        }
        let text: Vec<String> = lines.iter().map(|line| json_of(line).to_string()).collect();
        let source = Source::import(hash128(text.join("\n").as_bytes()));
        let arrived_ms = lines.iter().filter_map(|line| line.timestamp_ms).max().unwrap_or(at_ms);
        let record = |(sequence, text): (u64, &String)| Record { sequence, arrived_ms, data: text.as_bytes().into() };
        let records = (1..).zip(&text).map(record).collect();
        Self { source, records, lines }
    }

    /// The days that it may have something of.
    fn days(&self, world: &World) -> BTreeSet<NaiveDate> {
        let times = self.lines.iter().filter_map(|line| line.timestamp_ms);
        times.chain(self.records.iter().map(|record| record.arrived_ms)).map(|at_ms| world.rules.day(at_ms)).collect()
    }

    async fn import(&self, world: &Arc<World>, random: &mut fastrand::Rng) {
        until_done(world, &self.source, &self.source, &self.records, true, random).await;
    }
}

/// Imports some files, each a few times, also at once.
pub(crate) async fn now_and_then(world: Arc<World>) {
    let mut random = chance(world.scenario.seed, "import", 0);
    if !world.scenario.has(Cause::Import) || !world.params.has_imports {
        return;
    }
    let files = if world.params.is_long { random.u32(3..8) } else { random.u32(1..4) };
    for number in 0..files {
        let at_ms = world.time.now_ms() + random.i64(0..world.params.span_ms / i64::from(files));
        world.time.until(at_ms).await;
        let file = File::draw(&world, number, &mut random);
        if !ages::are_open(&world, &file.days(&world), &mut random).await {
            continue;
        }
        world.count(Kind::Imported, 1);
        world.tell(format_args!("a file of {} lines is imported as {}", file.lines.len(), file.source));
        for (record, line) in file.records.iter().zip(&file.lines) {
            world.took(&file.source, record, &Content::Events(vec![line.clone()]));
        }
        let again = (random.u8(0..3) > 0).then(|| {
            let (world, file, mut random) = (Arc::clone(&world), file.clone(), random.fork());
            tokio::spawn(async move {
                if random.bool() {
                    world.time.until(world.time.now_ms() + random.i64(0..6 * HOUR_MS)).await;
                }
                if !ages::are_open(&world, &file.days(&world), &mut random).await {
                    return;
                }
                world.count(Kind::ImportedAgain, 1);
                file.import(&world, &mut random).await;
            })
        });
        file.import(&world, &mut random).await;
        if let Some(again) = again {
            crate::world::joined(again.await);
        }
    }
}
