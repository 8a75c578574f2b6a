use std::sync::Mutex;

use super::*;

/// Answers by a script: what it says of each record at each of its tries. Remembers what it took.
struct Scripted<F> {
    script: F,
    accepted: Mutex<Vec<String>>,
    tries: Mutex<BTreeMap<String, u32>>,
    busy: Mutex<(usize, usize)>,
}

impl<F: Fn(&str, u32) -> Result<Answer, RequestError> + Send + Sync + 'static> Scripted<F> {
    fn new(script: F) -> Self {
        Self { script, accepted: Mutex::default(), tries: Mutex::default(), busy: Mutex::default() }
    }
}

impl<F: Fn(&str, u32) -> Result<Answer, RequestError> + Send + Sync + 'static> Target for Scripted<F> {
    async fn put(&self, records: &[Record]) -> Result<Vec<Answer>, RequestError> {
        {
            let mut busy = self.busy.lock().unwrap();
            busy.0 += 1;
            busy.1 = busy.1.max(busy.0);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        self.busy.lock().unwrap().0 -= 1;
        let mut answers = Vec::new();
        for record in records {
            let key = &record.partition_key;
            let tried = {
                let mut tries = self.tries.lock().unwrap();
                let tried = tries.entry(key.clone()).or_default();
                *tried += 1;
                *tried
            };
            answers.push((self.script)(key, tried)?);
        }
        let accepted = records.iter().zip(&answers).filter(|(_, answer)| **answer == Answer::Accepted);
        self.accepted.lock().unwrap().extend(accepted.map(|(record, _)| record.partition_key.clone()));
        Ok(answers)
    }
}

fn record(number: usize) -> Record {
    Record { partition_key: format!("k{number}"), data: b"{}".to_vec() }
}

async fn send<F>(count: usize, script: F) -> (Sender<Scripted<F>>, Result<(), Failure>)
where
    F: Fn(&str, u32) -> Result<Answer, RequestError> + Send + Sync + 'static,
{
    let mut sender = Sender::new(Scripted::new(script), Jitter::from_seed(1));
    for number in 0..count {
        if sender.push(record(number)).await.is_err() {
            break;
        }
    }
    let end = sender.finish().await;
    (sender, end)
}

fn refuse() -> Answer {
    Answer::Refused("ProvisionedThroughputExceededException".into())
}

#[tokio::test(start_paused = true)]
async fn every_record_is_accepted_once_although_some_are_refused_at_first() {
    let (sender, end) = send(3_000, |key, tried| {
        let number: usize = key[1..].parse().unwrap();
        Ok(if number.is_multiple_of(7) && tried < 4 { refuse() } else { Answer::Accepted })
    })
    .await;
    assert_eq!((end, sender.tally()), (Ok(()), &Tally { sent: 3_000, refused: BTreeMap::new() }));
    let accepted = sender.target.accepted.lock().unwrap();
    assert_eq!(accepted.iter().collect::<std::collections::BTreeSet<_>>().len(), accepted.len(), "none twice");
    assert_eq!(accepted.len(), 3_000);
    let most = sender.target.busy.lock().unwrap().1;
    assert!(most > 1 && most <= MAX_IN_FLIGHT, "{most} at once");
}

#[tokio::test(start_paused = true)]
async fn what_stays_refused_is_handed_back_by_reason() {
    let (mut sender, end) = send(600, |key, _| Ok(if key.ends_with("13") { refuse() } else { Answer::Accepted })).await;
    assert_eq!(end, Ok(()));
    let refused = BTreeMap::from([("ProvisionedThroughputExceededException".to_owned(), 6)]);
    assert_eq!(sender.tally(), &Tally { sent: 594, refused });
    let given_up = sender.take_given_up();
    assert_eq!(given_up.len(), 6);
    assert!(given_up.iter().all(|record| record.partition_key.ends_with("13")));
    assert_eq!(sender.target.tries.lock().unwrap()["k13"], MAX_FRUITLESS_TRIES + 1, "the first try had its fruits");
    assert!(sender.take_given_up().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_that_takes_a_little_each_time_gets_everything() {
    // One record a try: many more tries than may be fruitless.
    let (sender, end) = send(60, |key, tried| {
        let number: u32 = key[1..].parse().unwrap();
        Ok(if tried > number { Answer::Accepted } else { refuse() })
    })
    .await;
    assert_eq!((end, sender.tally().sent), (Ok(()), 60));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_is_tried_again_whole() {
    let (sender, end) =
        send(
            10,
            |_, tried| {
                if tried < 3 { Err(RequestError::Passing("Timeout".into())) } else { Ok(Answer::Accepted) }
            },
        )
        .await;
    assert_eq!((end, sender.tally().settled()), (Ok(()), 10));
    let (sender, end) = send(10, |_, _| Err(RequestError::Passing("Timeout".into()))).await;
    assert_eq!(end, Ok(()));
    assert_eq!(sender.tally(), &Tally { sent: 0, refused: BTreeMap::from([("Timeout".to_owned(), 10)]) });
}

#[tokio::test(start_paused = true)]
async fn after_a_final_error_nothing_is_tried_and_nothing_is_lost() {
    let gone = Failure::new("the stream is gone", "make it anew");
    let script_failure = gone.clone();
    let (mut sender, end) = send(20_000, move |_, _| {
        Err(RequestError::Final { reason: "ResourceNotFoundException".into(), failure: script_failure.clone() })
    })
    .await;
    assert_eq!(end, Err(gone));
    let (tally, given_up) = (sender.tally().clone(), sender.take_given_up());
    assert_eq!(tally.sent, 0);
    assert_eq!(tally.settled(), given_up.len() as u64, "what was pushed is handed back");
    assert!(given_up.len() < 20_000, "pushing stopped early: {}", given_up.len());
    let tried: u32 = sender.target.tries.lock().unwrap().values().sum();
    assert!(tried as usize <= MAX_IN_FLIGHT + 1, "{tried} tries");
}
