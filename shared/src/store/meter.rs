//! What one request costs in the store.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Calls, capacity units and waiting of one request, for `Server-Timing` and the log.
#[derive(Default)]
pub struct Meter(Mutex<Cost>);

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    pub calls: u32,
    pub read_units: f64,
    pub write_units: f64,
    /// The sum over all calls, though some run side by side.
    pub waited: Duration,
}

impl Meter {
    pub fn cost(&self) -> Cost {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, began: Instant, read_units: f64, write_units: f64) {
        let mut cost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cost.calls += 1;
        cost.read_units += read_units;
        cost.write_units += write_units;
        cost.waited += began.elapsed();
    }

    pub(super) fn read<'a>(
        &self,
        began: Instant,
        consumed: impl IntoIterator<Item = &'a ConsumedCapacity>,
    ) {
        self.add(began, total(consumed), 0.0);
    }

    pub(super) fn wrote<'a>(
        &self,
        began: Instant,
        consumed: impl IntoIterator<Item = &'a ConsumedCapacity>,
    ) {
        self.add(began, 0.0, total(consumed));
    }
}

fn total<'a>(consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) -> f64 {
    consumed.into_iter().filter_map(ConsumedCapacity::capacity_units).sum()
}
