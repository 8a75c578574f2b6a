//! A few events a second, of now, for as long as the demo serves.

use std::time::Duration;

use headcount_producer::Unchecked;
use headcount_producer::identity::event_id;
use serde_json::Value;

use super::feed::{event, options};
use crate::failure::Failure;
use crate::generate::{Generator, Line};
use crate::lines::Identities;
use crate::sender::Sender;

/// Time between two events.
const PAUSE: Duration = Duration::from_millis(350);

/// Events that one generator gives before the next one begins.
const EVENTS_A_ROUND: u64 = 1_000;

/// Sends events until it is dropped or the stream takes no more.
pub(super) async fn trickle(
    sender: &mut Sender,
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
            sender.push(of_now(line, identities), 1).await?;
            sender.finish().await?;
            // What was refused for good is counted by the sender; there will be more events.
            sender.take_given_up();
        }
    }
    Ok(())
}

/// The line's event as if it happened now: with a new id, since the same id at another time is another event.
fn of_now(line: Line, identities: &mut impl Identities) -> Unchecked {
    let mut made = event(line);
    let Ok(Value::Object(mut fields)) = serde_json::from_str(&made.json) else { return made };
    let now_ms = identities.now_ms();
    fields.insert("timestamp".into(), now_ms.into());
    fields.insert("eventId".into(), event_id(now_ms as i64, &identities.random()).into());
    made.json = Value::Object(fields).to_string();
    made
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn events_of_now_have_ids_of_their_own() {
        let mut identities = Ticking(0);
        let mut ids = std::collections::BTreeSet::new();
        let generator = Generator::new(&options(1_000, 40, 1, 1, 1_772_323_200_000)).unwrap();
        for line in generator {
            let Ok(event) = serde_json::from_str::<Value>(&of_now(line, &mut identities).json) else { continue };
            assert_eq!(event["timestamp"], 1_772_323_200_000_u64);
            assert!(ids.insert(event["eventId"].to_string()), "an id twice");
        }
        assert!(ids.len() > 900);
    }
}
