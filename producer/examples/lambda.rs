//! Your own Lambda function in front of the stream: it takes an order over HTTP and tracks it.
//!
//! The function's role needs `kinesis:PutRecords` on the stream, whose name is in `STREAM`. Build it with
//! `cargo lambda build --release --package headcount-producer --example lambda`.

use headcount_producer::{NewEvent, Producer, connect};
use lambda_http::{Body, Error, Request, RequestPayloadExt as _, Response, run, service_fn};
use serde::Deserialize;

#[derive(Deserialize)]
struct Order {
    id: String,
    placed_ms: i64,
    customer: String,
    session: String,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Once for all invocations of this sandbox.
    let client = connect::kinesis(None).await;
    let analytics = Producer::builder().build(&client, &std::env::var("STREAM")?)?;
    run(service_fn(|request| handle(&analytics, request))).await
}

async fn handle(analytics: &Producer, request: Request) -> Result<Response<Body>, Error> {
    let Some(order) = request.payload::<Order>()? else {
        return Ok(Response::builder().status(400).body("send an order as JSON".into())?);
    };
    let event = NewEvent::new("feature_use", &order.customer, &order.session)
        // An order that is sent twice counts once: id and timestamp identify an event.
        .event_id(&order.id)
        .timestamp_ms(order.placed_ms)
        .data("feature", "order");
    // Lambda freezes the sandbox at the answer, so wait until the stream has the event.
    analytics.track(event).await?;
    Ok(Response::builder().status(202).body(Body::Empty)?)
}
