//! Reads a deployment's event log: how many events of each type every source has.
//!
//! `cargo run -p headcount-log --example read_log -- s3://BUCKET`, or a folder such as `headcount-data/log`.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use headcount_log::Log;
use headcount_runtime::retry::Jitter;
use tokio::time::Instant;

const ENTRIES_AT_ONCE: usize = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let place = std::env::args().nth(1).ok_or("name the log: s3://BUCKET or a folder")?;
    let log = Log::open(&place, Jitter::from_entropy()).await?;
    let deadline = Instant::now() + Duration::from_hours(1);
    for source in log.sources(deadline).await? {
        let (mut types, mut after) = (BTreeMap::<String, u64>::new(), 0);
        loop {
            let entries = log.list_after(&source, after, ENTRIES_AT_ONCE, deadline).await?;
            let Some(last) = entries.last() else { break };
            after = last.entry;
            for listed in &entries {
                let entry = log.read(&source, listed.entry, deadline).await?.open()?;
                // Each line is an event as it was stored, without what was rejected and what came twice.
                for (_, event) in entry.content()?.days.values().flat_map(|day| &day.events) {
                    *types.entry(event.event_type.as_str().to_owned()).or_default() += 1;
                }
            }
        }
        println!("{source}: {types:?}");
    }
    Ok(())
}
