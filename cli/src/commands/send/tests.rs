use headcount_local::clients;
use headcount_local::stream::{Stream, StreamOptions};

use super::*;

fn sending(endpoint: &str, stream: &str) -> Sending {
    let producer = Producer::builder()
        .queue_packing(Packing::Off)
        .retry_for(Duration::from_secs(1))
        .build(&clients::kinesis(endpoint), stream)
        .unwrap();
    Sending::new(Sender::new(producer, Packing::Off), None, Progress::silent(), Position::open(None, false).unwrap())
}

async fn send(input: &'static str) -> Summary {
    let stream = Stream::start(StreamOptions::new("clicks", 1)).await.unwrap();
    let (_asked, interrupt) = Interrupt::manual();
    let mut sending = sending(&stream.endpoint(), "clicks");
    sending.run(Box::new(input.as_bytes()), &interrupt).await.unwrap();
    stream.stop().await;
    sending.end().0
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_counted_by_what_became_of_them() {
    let summary = send("{\"userId\":\"a\",\"eventId\":\"1\"}\n\n{\"userId\":\"b\"}\nnonsense\n  \n[]").await;
    let refused = BTreeMap::from([("NotJson".to_owned(), 1)]);
    let wanted = Summary { lines: 6, blank: 2, sent: 3, identified: 1, refused, resumed: 0, interrupted: false };
    assert_eq!(summary, wanted);
    assert_eq!(summary.ending(), Ending::Differences);
    let text = table(&summary).to_string();
    for line in [
        "lines                            6",
        "sent                             3",
        "  NotJson                        1",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_send_is_fine() {
    let summary = send("").await;
    assert_eq!((summary.ending(), summary), (Ending::Fine, Summary::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_reading_and_finishes_what_was_begun() {
    let stream = Stream::start(StreamOptions::new("clicks", 1)).await.unwrap();
    let (asked, interrupt) = Interrupt::manual();
    asked.send_replace(true);
    let mut sending = sending(&stream.endpoint(), "clicks");
    sending.take(1, RawLine::Whole(b"{}".to_vec())).await.unwrap();
    sending.run(Box::new(&b"{}\n{}\n"[..]), &interrupt).await.unwrap();
    let (summary, _) = sending.end();
    assert_eq!((summary.sent, summary.interrupted, summary.ending()), (1, true, Ending::Interrupted));
    stream.stop().await;
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
