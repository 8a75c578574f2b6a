//! The bytes of an invocation, past the runtime: it would read them by serde, and remember where it is for its errors, which
//! takes longer than to read them ([`crate::delivery`]).

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use lambda_runtime::LambdaInvocation;
use lambda_runtime::tower::{Layer, Service};

/// What is left for the runtime to read.
const NOTHING: &[u8] = b"null";

/// Where the bytes of the invocation wait for its handler. A runtime has one invocation at a time.
#[derive(Clone, Debug, Default)]
pub struct Payload(Arc<Mutex<Bytes>>);

impl Payload {
    /// The bytes of the invocation that has begun.
    pub fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Layer<S> for Payload {
    type Service = Keeping<S>;

    fn layer(&self, inner: S) -> Keeping<S> {
        Keeping { inner, payload: self.clone() }
    }
}

/// A runtime whose invocations leave their bytes with a [`Payload`].
#[derive(Clone, Debug)]
pub struct Keeping<S> {
    inner: S,
    payload: Payload,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for Keeping<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> S::Future {
        let bytes = std::mem::replace(&mut invocation.body, Bytes::from_static(NOTHING));
        *self.payload.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        self.inner.call(invocation)
    }
}
