//! What all lines of one request, or of one call of a worker, have in common.

use std::sync::{Arc, Mutex, PoisonError};

use crate::trace::Trace;

tokio::task_local! {
    static CURRENT: Arc<CallContext>;
}

/// One request or call.
pub struct CallContext {
    pub request_id: String,
    /// Where X-Ray knows of it, which is under Lambda.
    pub trace: Option<Trace>,
    found: Mutex<Vec<Found>>,
}

/// What went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Panic { file: String, line: u32 },
    Bug(&'static str),
    Storage { operation: &'static str, code: String },
}

impl CallContext {
    pub fn new(request_id: String, trace: Option<Trace>) -> Arc<Self> {
        Arc::new(Self { request_id, trace, found: Mutex::default() })
    }

    /// Runs `work`, whose lines are this request's. What it spawns is not within it.
    pub async fn within<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), work).await
    }

    /// The request under way, where there is one: what is spawned may be put within it.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    pub(super) fn note(found: Found) {
        if let Some(call) = Self::current() {
            call.found.lock().unwrap_or_else(PoisonError::into_inner).push(found);
        }
    }

    /// What went wrong so far, in order.
    pub fn found(&self) -> Vec<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
