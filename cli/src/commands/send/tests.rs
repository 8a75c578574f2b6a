use std::sync::{Arc, Mutex};

use super::*;
use crate::put_records::{Answer, RequestError};

/// Takes every record, except those whose key is `refused`.
#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<Record>>>);

impl Target for Stream {
    async fn put(&self, records: &[Record]) -> Result<Vec<Answer>, RequestError> {
        let answers = records.iter().map(|record| {
            if record.partition_key == "refused" {
                return Answer::Refused("InternalFailure".into());
            }
            self.0.lock().unwrap().push(record.clone());
            Answer::Accepted
        });
        Ok(answers.collect())
    }
}

async fn send(input: &'static str) -> (Summary, Vec<Record>) {
    let stream = Stream::default();
    let (_asked, interrupt) = Interrupt::manual();
    let sender = Sender::new(stream.clone(), Jitter::from_seed(1));
    let mut sending = Sending::new(sender, None, Progress::silent());
    sending.run(Box::new(input.as_bytes()), &interrupt).await.unwrap();
    let records = stream.0.lock().unwrap().clone();
    (sending.end().0, records)
}

#[tokio::test(start_paused = true)]
async fn lines_are_counted_by_what_became_of_them() {
    let input =
        "{\"userId\":\"a\",\"eventId\":\"1\"}\n\n{\"userId\":\"b\"}\nnonsense\n{\"userId\":\"refused\"}\n  \n[]";
    let (summary, records) = send(input).await;
    let refused = BTreeMap::from([("NotJson".to_owned(), 1), ("InternalFailure".to_owned(), 1)]);
    let wanted = Summary { lines: 7, blank: 2, sent: 3, identified: 2, refused, interrupted: false };
    assert_eq!(summary, wanted);
    assert_eq!(summary.ending(), Ending::Differences);
    assert_eq!(records.iter().map(|record| &record.partition_key[..1]).filter(|key| "ab".contains(*key)).count(), 2);
    let text = table(&summary).to_string();
    for line in [
        "lines                            7",
        "sent                             3",
        "  InternalFailure                1",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_to_send_is_fine() {
    let (summary, records) = send("").await;
    assert_eq!((summary.ending(), records.len()), (Ending::Fine, 0));
    assert_eq!(summary, Summary::default());
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_ends_reading_and_finishes_what_was_begun() {
    let (asked, interrupt) = Interrupt::manual();
    asked.send_replace(true);
    let sender = Sender::new(Stream::default(), Jitter::from_seed(1));
    let mut sending = Sending::new(sender, None, Progress::silent());
    sending.take(1, RawLine::Whole(b"{}".to_vec())).await.unwrap();
    sending.run(Box::new(&b"{}\n{}\n"[..]), &interrupt).await.unwrap();
    let (summary, _) = sending.end();
    assert_eq!((summary.sent, summary.interrupted, summary.ending()), (1, true, Ending::Interrupted));
}

#[test]
fn the_summary_is_one_json_object() {
    let refused = BTreeMap::from([("NotJson".to_owned(), 2)]);
    let summary = Summary { lines: 3, sent: 1, refused, ..Summary::default() };
    let wanted = serde_json::json!({
        "lines": 3, "blank": 0, "sent": 1, "identified": 0, "refused": {"NotJson": 2}, "interrupted": false
    });
    assert_eq!(serde_json::to_value(summary).unwrap(), wanted);
}
