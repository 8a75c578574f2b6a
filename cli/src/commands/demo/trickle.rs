//! A few events a second, of now, for as long as the demo serves.

use std::time::Duration;

use serde_json::Value;

use super::feed::{options, record};
use crate::failure::Failure;
use crate::generate::{Generator, Line};
use crate::lines::Identities;
use crate::put_records::{Record, Sender, Target};

/// Time between two events.
const PAUSE: Duration = Duration::from_millis(350);

/// Events that one generator gives before the next one begins.
const EVENTS_A_ROUND: u64 = 1_000;

/// Sends events until it is dropped or the stream takes no more.
pub(super) async fn trickle<T: Target>(
    sender: &mut Sender<T>,
    users: u32,
    seed: u64,
    identities: &mut impl Identities,
) -> Result<(), Failure> {
    for round in 1.. {
        let now_ms = identities.now_ms() as i64;
        let options = options(EVENTS_A_ROUND, users, 1, seed.wrapping_add(round), now_ms);
        let generator = Generator::new(&options).map_err(|error| Failure::Usage(error.to_string()))?;
        for line in generator {
            tokio::time::sleep(PAUSE).await;
            sender.push(of_now(line, identities)).await?;
            sender.finish().await?;
            // What was refused for good is counted by the sender; there will be more events.
            sender.take_given_up();
        }
    }
    Ok(())
}

/// The line's record as if it happened now: with a new id, since the same id at another time is another event.
fn of_now(line: Line, identities: &mut impl Identities) -> Record {
    let mut record = record(line);
    let Ok(Value::Object(mut event)) = serde_json::from_slice(&record.data) else { return record };
    let now_ms = identities.now_ms();
    let id = uuid::Builder::from_unix_timestamp_millis(now_ms, &identities.random()).into_uuid();
    event.insert("timestamp".into(), now_ms.into());
    event.insert("eventId".into(), id.to_string().into());
    record.data = Value::Object(event).to_string().into_bytes();
    record
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use headcount_store::retry::Jitter;

    use super::*;
    use crate::put_records::{Answer, RequestError};

    struct Ticking(u64);

    impl Identities for Ticking {
        fn now_ms(&self) -> u64 {
            1_772_323_200_000
        }

        fn random(&mut self) -> [u8; 10] {
            self.0 += 1;
            let mut bytes = [0; 10];
            bytes[2..].copy_from_slice(&self.0.to_be_bytes());
            bytes
        }
    }

    #[derive(Clone, Default)]
    struct Stream(Arc<Mutex<Vec<Record>>>);

    impl Target for Stream {
        async fn put(&self, records: &[Record]) -> Result<Vec<Answer>, RequestError> {
            self.0.lock().unwrap().extend_from_slice(records);
            Ok(vec![Answer::Accepted; records.len()])
        }
    }

    #[tokio::test(start_paused = true)]
    async fn events_of_now_come_one_by_one() {
        let stream = Stream::default();
        let mut sender = Sender::new(stream.clone(), Jitter::from_seed(1));
        let mut identities = Ticking(0);
        let running = trickle(&mut sender, 40, 1, &mut identities);
        assert!(tokio::time::timeout(PAUSE * 1_100, running).await.is_err(), "it has no end of its own");
        let records = stream.0.lock().unwrap();
        assert!(records.len() > 1_000, "{}", records.len());
        let mut ids = std::collections::BTreeSet::new();
        for event in records.iter().filter_map(|record| serde_json::from_slice::<Value>(&record.data).ok()) {
            assert_eq!(event["timestamp"], 1_772_323_200_000_u64);
            assert!(ids.insert(event["eventId"].to_string()), "an id twice");
        }
        assert!(ids.len() > 900);
    }
}
