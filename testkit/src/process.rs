//! A process that may die at a request, to the table or to the object store, and leave everything as it is.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::sync::Notify;

/// A process. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Process(Arc<Life>);

#[derive(Debug, Default)]
struct Life {
    is_dead: AtomicBool,
    death: Notify,
}

/// The process died at a request to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process died at a request to the store")]
pub struct Crashed;

impl Process {
    /// Whether it died.
    pub fn is_dead(&self) -> bool {
        self.0.is_dead.load(Ordering::SeqCst)
    }

    /// Runs something until it ends, or until the process dies at a request, wherever in it that is. Nothing that it had
    /// begun goes on, but for requests in flight.
    ///
    /// # Errors
    /// [`Crashed`] where the process died; it stays dead.
    pub async fn until_crash<T>(&self, invocation: impl Future<Output = T>) -> Result<T, Crashed> {
        let mut death = pin!(self.0.death.notified());
        death.as_mut().enable();
        let mut invocation = pin!(invocation);
        poll_fn(|context| {
            if self.is_dead() {
                return Poll::Ready(Err(Crashed));
            }
            if let Poll::Ready(outcome) = invocation.as_mut().poll(context) {
                return Poll::Ready(Ok(outcome));
            }
            death.as_mut().poll(context).map(|()| Err(Crashed))
        })
        .await
    }

    /// Dies, and never answers.
    pub async fn die<T>(&self) -> T {
        self.0.is_dead.store(true, Ordering::SeqCst);
        self.0.death.notify_waiters();
        pending().await
    }
}
