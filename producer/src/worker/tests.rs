use std::collections::BTreeSet;

use parking_lot::Mutex;

use super::*;
use crate::builder::ProducerBuilder;
use crate::error::{ProducerError, StreamProblem};
use crate::event::NewEvent;
use crate::packing::Packing;
use crate::producer::{Producer, Unchecked};
use crate::put_records::Record;

/// What a request carries of one record.
type Said = Result<Answer, RequestError>;

/// Answers by a script: what it says of each record at each of its tries. Remembers what it took.
struct Scripted<F> {
    script: F,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    accepted: Mutex<Vec<Record>>,
    tries: Mutex<BTreeMap<Vec<u8>, u32>>,
    /// Requests now, at most, and the records of each.
    busy: Mutex<(usize, usize, Vec<usize>)>,
}

impl Seen {
    fn events(&self) -> Vec<String> {
        self.accepted.lock().iter().flat_map(|record| unpack(&record.data)).collect()
    }
}

impl<F: Fn(&Record, u32) -> Said + Send + Sync + 'static> Target for Scripted<F> {
    async fn put<'a>(&self, records: impl Iterator<Item = &'a Record> + Send) -> Result<Vec<Answer>, RequestError> {
        let records: Vec<Record> = records.cloned().collect();
        {
            let mut busy = self.seen.busy.lock();
            busy.0 += 1;
            busy.1 = busy.1.max(busy.0);
            busy.2.push(records.len());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.seen.busy.lock().0 -= 1;
        let mut answers = Vec::new();
        for record in &records {
            let tried = {
                let mut tries = self.seen.tries.lock();
                let tried = tries.entry(record.data.clone()).or_default();
                *tried += 1;
                *tried
            };
            answers.push((self.script)(record, tried)?);
        }
        let accepted = records.into_iter().zip(&answers).filter(|(_, answer)| matches!(answer, Answer::Accepted(_)));
        self.seen.accepted.lock().extend(accepted.map(|(record, _)| record));
        Ok(answers)
    }
}

fn producer<F>(builder: ProducerBuilder, script: F) -> (Producer, Arc<Seen>)
where
    F: Fn(&Record, u32) -> Said + Send + Sync + 'static,
{
    let seen = Arc::new(Seen::default());
    (builder.seed(1).start(Scripted { script, seen: Arc::clone(&seen) }).unwrap(), seen)
}

fn accept() -> Answer {
    Answer::Accepted("shardId-0".into())
}

fn refuse() -> Answer {
    Answer::Refused { code: "InternalFailure".into(), shard: None }
}

fn plain() -> ProducerBuilder {
    Producer::builder().queue_packing(Packing::Off)
}

fn event(user: &str, number: usize) -> NewEvent {
    NewEvent::new("page_view", user, "s")
        .metadata("test", "203.0.113.9", "web")
        .event_id(&format!("e-{number}"))
        .timestamp_ms(crate::identity::now_ms())
}

fn number(record: &Record) -> usize {
    let text = String::from_utf8_lossy(&record.data).into_owned();
    text.split("\"e-").nth(1).and_then(|rest| rest.split('"').next()).unwrap().parse().unwrap()
}

const LONG: Duration = Duration::from_mins(10);

#[tokio::test(start_paused = true)]
async fn every_record_is_accepted_once_although_some_are_refused_at_first() {
    let (producer, seen) =
        producer(
            plain(),
            |record, tried| if number(record).is_multiple_of(7) && tried < 4 { Ok(refuse()) } else { Ok(accept()) },
        );
    for number in 0..3_000 {
        producer.queue(event(&format!("u{number}"), number)).unwrap();
    }
    assert_eq!(producer.close(LONG).await, Ok(()));
    let events = seen.events();
    assert_eq!((events.len(), events.iter().collect::<BTreeSet<_>>().len()), (3_000, 3_000));
    let counts = producer.counts();
    assert_eq!((counts.queued, counts.sent, counts.retried, counts.refused), (3_000, 3_000, 3 * 429, 0));
    assert_eq!((counts.waiting_events, counts.waiting_bytes), (0, 0));
    let busy = seen.busy.lock();
    assert!(busy.1 > 1 && busy.1 <= 4 && busy.2.iter().all(|records| *records <= 500), "{busy:?}");
}

#[tokio::test(start_paused = true)]
async fn a_users_events_stay_in_order() {
    // Each third record is refused at first; each request has one user's events, or several of each.
    let (producer, seen) =
        producer(
            plain(),
            |record, tried| if number(record).is_multiple_of(3) && tried < 3 { Ok(refuse()) } else { Ok(accept()) },
        );
    for number in 0..600 {
        producer.track(event(&format!("u{}", number % 3), number)).await.unwrap();
    }
    let (mut last, records) = (BTreeMap::new(), seen.accepted.lock().clone());
    for record in &records {
        let before = last.insert(record.partition_key.clone(), number(record));
        assert!(before.is_none_or(|before| before < number(record)));
    }
    assert_eq!(records.len(), 600);
}

#[tokio::test(start_paused = true)]
async fn what_stays_refused_comes_back_with_its_reason() {
    let never = |record: &Record, _| if number(record) % 100 == 13 { Ok(refuse()) } else { Ok(accept()) };
    let (producer, _) = producer(plain(), never);
    for number in 0..600 {
        producer.queue(event(&format!("u{number}"), number)).unwrap();
    }
    let Err(ProducerError::Returned(returned)) = producer.flush().await else { panic!("six come back") };
    assert_eq!(returned.len(), 6);
    assert!(returned.iter().all(|one| one.refusal == Refusal::Record("InternalFailure".into())));
    assert!(returned.iter().all(|one| one.event.json().contains("13\"")));
    let counts = producer.counts();
    assert_eq!((counts.sent, counts.refused, counts.waiting_events), (594, 6, 0));
    let error = producer.track(event("u", 13)).await.unwrap_err();
    assert!(error.is_passing() && matches!(&error, ProducerError::Refused(_)), "{error}");
    assert!(error.to_string().contains("InternalFailure"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_is_tried_again_whole_with_the_same_events() {
    let (producer, seen) = producer(Producer::builder(), |_, tried| {
        if tried < 3 { Err(RequestError::Passing("Timeout".into())) } else { Ok(accept()) }
    });
    for number in 0..10 {
        producer.queue(event("u", number)).unwrap();
    }
    assert_eq!(producer.flush().await, Ok(()));
    assert_eq!(seen.events().len(), 10);
    assert_eq!((producer.counts().requests, producer.counts().retried), (3, 20));
}

#[tokio::test(start_paused = true)]
async fn after_a_final_error_everything_comes_back_at_once() {
    let gone = StreamProblem::new("ResourceNotFoundException", "the stream is gone", "make it anew");
    let said = gone.clone();
    let (producer, _) = producer(Producer::builder(), move |_, _| Err(RequestError::Final(said.clone())));
    let began = Instant::now();
    for number in 0..50 {
        producer.queue(event(&format!("u{number}"), number)).unwrap();
    }
    let Err(ProducerError::Returned(returned)) = producer.close(LONG).await else { panic!("all come back") };
    assert!(returned.len() == 50 && returned.iter().all(|one| one.refusal == Refusal::Stream(gone.clone())));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_says_so_with_the_event() {
    let (producer, seen) = producer(Producer::builder().max_waiting_events(5), |_, _| Ok(accept()));
    for number in 0..5 {
        producer.queue(event("u", number)).unwrap();
    }
    let error = producer.queue(event("u", 5)).unwrap_err();
    let ProducerError::QueueFull { event: kept, waiting_events: 5, .. } = error else { panic!("full: {error}") };
    // Waits for the linger time to pass, and the five to be accepted.
    producer.queue_wait(NewEvent::from(kept)).await.unwrap();
    assert_eq!(producer.close(LONG).await, Ok(()));
    assert_eq!(seen.events().len(), 6);
    assert!(matches!(producer.queue(event("u", 6)), Err(ProducerError::Closed(_))));
    assert!(producer.counts().most_waiting_bytes > 500);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_hands_back_what_is_left() {
    let (producer, _) = producer(Producer::builder(), |_, _| Ok(refuse()));
    for number in 0..40 {
        producer.queue(event(&format!("u{number}"), number)).unwrap();
    }
    let began = Instant::now();
    let Err(ProducerError::Returned(returned)) = producer.close(Duration::from_secs(3)).await else { panic!("left") };
    assert_eq!((returned.len(), began.elapsed().as_secs()), (40, 3));
    assert_eq!(producer.counts().waiting_events, 0);
}

#[tokio::test(start_paused = true)]
async fn submitted_events_are_packed_and_each_has_its_fate() {
    let refused_group = "group-5-of-32";
    let script =
        move |record: &Record, _| if record.partition_key == refused_group { Ok(refuse()) } else { Ok(accept()) };
    let (producer, seen) = producer(Producer::builder().retry_for(Duration::from_secs(2)), script);
    let events: Vec<_> =
        (0..1_000).map(|number| producer.check(event(&format!("u{number}"), number)).unwrap()).collect();
    let outcomes = producer.submit(events).await;
    let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((900..1_000).contains(&taken), "{taken}");
    for (number, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(receipt) => assert_eq!(receipt.event_id, format!("e-{number}")),
            Err(ProducerError::Refused(returned)) => {
                assert!(returned.event.json().contains(&format!("\"e-{number}\"")), "its own event comes back");
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((seen.events().len(), seen.accepted.lock().len()), (taken, 31));
    assert!(producer.take_returned().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_aggregated_record_holds_each_event_and_stays_within_its_bound() {
    let (producer, seen) =
        producer(Producer::builder().queue_packing(Packing::Kpl).partition_groups(2), |_, _| Ok(accept()));
    for number in 0..6_000 {
        let event = event(&format!("u{}", number % 50), number).data("text", "x".repeat(400));
        producer.queue_wait(event).await.unwrap();
    }
    assert_eq!(producer.close(LONG).await, Ok(()));
    let events = seen.events();
    assert_eq!((events.len(), events.iter().collect::<BTreeSet<_>>().len()), (6_000, 6_000));
    let accepted = seen.accepted.lock();
    assert!(accepted.len() > 2 && accepted.iter().all(|record| record.bytes() <= crate::limits::MAX_RECORD_BYTES));
    assert!(accepted.iter().all(|record| record.data.starts_with(&[0xf3, 0x89, 0x9a, 0xc2])));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_packed_is_passed_on_alone() {
    let (producer, seen) = producer(Producer::builder(), |_, _| Ok(accept()));
    let lines = ["{\"a\":1}", "[{},{}]", "no JSON", "{\n}", "{\"b\":2}"];
    let events = lines.map(|json| Unchecked { user_id: Some("u".into()), json: json.into() });
    assert!(producer.pass_on(events.to_vec()).await.iter().all(Result::is_ok));
    let accepted = seen.accepted.lock();
    let mut data: Vec<_> = accepted.iter().map(|record| unpack(&record.data).join("|")).collect();
    data.sort();
    assert_eq!(data, ["[{},{}]", "no JSON", "{\n}", "{\"a\":1}|{\"b\":2}"].map(String::from).to_vec());
}

#[tokio::test(start_paused = true)]
async fn an_invalid_event_is_not_sent_and_all_its_problems_are_told() {
    let (producer, seen) = producer(Producer::builder(), |_, _| Ok(accept()));
    let outcomes =
        producer.track_batch([event("u", 1), NewEvent::new("click", " ", "s"), NewEvent::from_json("7")]).await;
    let Err(ProducerError::Invalid(problems)) = &outcomes[1] else { panic!("invalid") };
    assert_eq!(problems.iter().map(|one| &*one.field).collect::<Vec<_>>(), ["userId", "eventType", "metadata"]);
    assert!(outcomes[0].is_ok() && matches!(&outcomes[2], Err(ProducerError::Invalid(_))));
    assert_eq!((seen.events().len(), producer.counts().invalid), (1, 2));
}
