use headcount_local::clients;
use headcount_local::stream::{Stream, StreamOptions};

use super::*;

fn event(number: u64) -> Unchecked {
    Unchecked { user_id: Some(format!("u{number}")), json: format!("{{\"eventId\":\"{number}\"}}") }
}

fn sender(endpoint: &str, stream: &str, packing: Packing) -> Sender {
    let producer = Producer::builder().queue_packing(packing).build(&clients::kinesis(endpoint), stream).unwrap();
    Sender::new(producer, packing)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_has_its_fate_and_lines_stay_open_until_then() {
    let stream = Stream::start(StreamOptions::new("clicks", 2)).await.unwrap();
    for packing in [Packing::Off, Packing::Zstd] {
        let mut sender = sender(&stream.endpoint(), "clicks", packing);
        for number in 1..=1_200 {
            sender.push(event(number), number).await.unwrap();
            assert!(sender.first_open_line(false).is_none_or(|line| line <= number));
        }
        assert!(sender.first_open_line(false).is_some());
        assert_eq!(sender.finish().await, Ok(()));
        assert_eq!(
            (sender.tally().sent, sender.tally().settled(), sender.first_open_line(false)),
            (1_200, 1_200, None)
        );
    }
    stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_final_error_nothing_is_lost() {
    let stream = Stream::start(StreamOptions::new("clicks", 1)).await.unwrap();
    let mut sender = sender(&stream.endpoint(), "others", Packing::Off);
    let mut pushed = 0;
    for number in 1..=20_000 {
        pushed = number;
        if sender.push(event(number), number).await.is_err() {
            break;
        }
    }
    let failure = sender.finish().await.unwrap_err();
    assert!(failure.to_string().contains("the stream others does not exist"), "{failure}");
    assert_eq!((sender.tally().sent, sender.tally().refused_in_all()), (0, pushed));
    assert_eq!(sender.take_given_up().len() as u64, pushed, "what was pushed is handed back");
    assert!(pushed < 20_000, "pushing stopped early");
    assert_eq!((sender.first_open_line(false), sender.first_open_line(true)), (Some(1), None));
    stream.stop().await;
}
