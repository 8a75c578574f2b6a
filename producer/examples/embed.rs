//! A service that sends its own events, and loses none when it stops.
//!
//! `cargo run -p headcount-producer --example embed` sends a hundred events to the stream `headcount-events` of the AWS account in the
//! environment. For a local one, set `AWS_ENDPOINT_URL_KINESIS` as `headcount serve` prints it.

use std::time::Duration;

use headcount_producer::{NewEvent, Producer, ProducerError, connect};

#[tokio::main]
async fn main() -> Result<(), ProducerError> {
    let client = connect::kinesis(None).await;
    let analytics = Producer::builder().build(&client, "headcount-events")?;

    for order in 0..100 {
        let user = format!("user-{}", order % 10);
        let session = format!("session-{}", order % 20);
        let event = NewEvent::new("feature_use", &user, &session)
            .metadata("shop/2.3", "203.0.113.9", "backend")
            .data("feature", "checkout");
        // Never waits. It fails if the event breaks a rule, or if the stream has fallen so far behind that the queue is full:
        // a service goes on without the event, and says so.
        if let Err(error) = analytics.queue(event) {
            eprintln!("an event was not queued: {error}");
        }
    }

    // What the stream did not take within ten seconds comes back in the error.
    analytics.close(Duration::from_secs(10)).await?;
    Ok(())
}
