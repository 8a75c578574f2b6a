//! One call of the function: on a task of its own, so that neither a panic nor a hang takes the shard with it.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use aws_lambda_events::event::streams::KinesisEventResponse;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::Function;

/// How long a call that is cut off may take to end before the shard goes on without waiting for it.
const ABORT_GRACE: Duration = Duration::from_secs(5);

/// Ends its task when it is dropped: a mapping that is cut off leaves no call behind.
struct Call<T>(JoinHandle<T>);

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Hands the batch to the function; the error says why there is no answer.
pub(super) async fn call<F: Function>(
    function: &Arc<F>,
    batch: &[KinesisEventRecord],
    limit: Duration,
) -> Result<KinesisEventResponse, String> {
    let mut event = KinesisEvent::default();
    event.records = batch.to_vec();
    let (function, deadline) = (Arc::clone(function), Instant::now() + limit);
    let mut call = Call(tokio::spawn(async move { function.invoke(event, deadline).await }));
    match timeout_at(deadline, &mut call.0).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(format!("the function failed: {error}")),
        Ok(Err(error)) if error.is_panic() => Err("the function panicked".into()),
        Ok(Err(_)) => Err("the function was cut off".into()),
        Err(_) => {
            call.0.abort();
            // The next call begins when this one has ended. One that cannot be ended is a writer presumed dead.
            if timeout(ABORT_GRACE, &mut call.0).await.is_err() {
                tracing::warn!("a function that was cut off goes on running");
            }
            Err(format!("the function took longer than {limit:?} and was cut off"))
        }
    }
}
