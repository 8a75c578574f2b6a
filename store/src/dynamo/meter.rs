//! What requests cost: capacity units as the service itself counts them.

use std::sync::Arc;

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItemInput, BatchWriteItemOutput};
use aws_sdk_dynamodb::operation::get_item::{GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use parking_lot::Mutex;

/// Units that requests consumed, by what they were for. Failed requests consume some as well, which the service does
/// not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UnitsUsed {
    /// Write units of batched puts: event items and rejected items.
    pub batched_puts: f64,
    /// Write units of the copies of those in the index.
    pub batched_copies: f64,
    /// Write units of single writes that have no copy in the index: partials, checkpoints, results.
    pub puts: f64,
    /// Write units of single puts that have one: users, their copies included.
    pub indexed_puts: f64,
    /// Read units.
    pub reads: f64,
}

impl UnitsUsed {
    /// All write units.
    pub fn writes(&self) -> f64 {
        self.batched_puts + self.batched_copies + self.puts + self.indexed_puts
    }
}

/// Sums what the requests of one connection consume. Clones share the sum.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<UnitsUsed>>);

impl Meter {
    /// The sum so far, which begins anew.
    pub fn take(&self) -> UnitsUsed {
        std::mem::take(&mut *self.0.lock())
    }

    fn add(&self, change: impl FnOnce(&mut UnitsUsed)) {
        change(&mut self.0.lock());
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let asked = Some(ReturnConsumedCapacity::Indexes);
        let input = context.input_mut();
        if let Some(input) = input.downcast_mut::<PutItemInput>() {
            input.return_consumed_capacity = asked;
        } else if let Some(input) = input.downcast_mut::<UpdateItemInput>() {
            input.return_consumed_capacity = asked;
        } else if let Some(input) = input.downcast_mut::<BatchWriteItemInput>() {
            input.return_consumed_capacity = asked;
        } else if let Some(input) = input.downcast_mut::<BatchGetItemInput>() {
            input.return_consumed_capacity = asked;
        } else if let Some(input) = input.downcast_mut::<GetItemInput>() {
            input.return_consumed_capacity = asked;
        } else if let Some(input) = input.downcast_mut::<QueryInput>() {
            input.return_consumed_capacity = asked;
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(output) = context.output_or_error() else { return Ok(()) };
        if let Some(output) = output.downcast_ref::<PutItemOutput>() {
            self.write(output.consumed_capacity());
        } else if let Some(output) = output.downcast_ref::<UpdateItemOutput>() {
            self.write(output.consumed_capacity());
        } else if let Some(output) = output.downcast_ref::<BatchWriteItemOutput>() {
            let (table, index) = sum(output.consumed_capacity());
            self.add(|used| {
                used.batched_puts += table;
                used.batched_copies += index;
            });
        } else if let Some(output) = output.downcast_ref::<BatchGetItemOutput>() {
            self.read(output.consumed_capacity());
        } else if let Some(output) = output.downcast_ref::<GetItemOutput>() {
            self.read(output.consumed_capacity());
        } else if let Some(output) = output.downcast_ref::<QueryOutput>() {
            self.read(output.consumed_capacity());
        }
        Ok(())
    }
}

impl Meter {
    fn write(&self, consumed: Option<&ConsumedCapacity>) {
        let (table, index) = sum(consumed);
        self.add(|used| {
            let kind = if index > 0.0 { &mut used.indexed_puts } else { &mut used.puts };
            *kind += table + index;
        });
    }

    fn read<'a>(&self, consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        let (table, index) = sum(consumed);
        self.add(|used| used.reads += table + index);
    }
}

/// Of the tables themselves, and of their indexes.
fn sum<'a>(consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for consumed in consumed {
        let units = |capacity: &aws_sdk_dynamodb::types::Capacity| capacity.capacity_units().unwrap_or(0.0);
        let index: f64 =
            consumed.global_secondary_indexes().into_iter().flat_map(|indexes| indexes.values()).map(units).sum();
        // The total is of the table and its indexes together.
        sums.0 += consumed.capacity_units().unwrap_or(0.0) - index;
        sums.1 += index;
    }
    sums
}
