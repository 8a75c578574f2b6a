//! Records that wait to be sent, in order within their partition key: while one of a key is on its way or waits for
//! another try, those behind it wait too.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use crate::assembler::Outgoing;
use crate::limits::{MAX_REQUEST_BYTES, MAX_REQUEST_RECORDS};
use crate::pace::Pace;

/// The records that wait.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Of every key that has records here or on their way. A key is in `ready`, in `parked`, or on its way.
    keys: HashMap<Arc<str>, VecDeque<Outgoing>>,
    ready: VecDeque<Arc<str>>,
    parked: BinaryHeap<Reverse<(Instant, Arc<str>)>>,
}

impl Backlog {
    /// Takes a record, behind those of its key.
    pub(crate) fn push(&mut self, outgoing: Outgoing) {
        if let Some(waiting) = self.keys.get_mut(&*outgoing.record.partition_key) {
            waiting.push_back(outgoing);
            return;
        }
        let key: Arc<str> = outgoing.record.partition_key.as_str().into();
        self.keys.insert(Arc::clone(&key), VecDeque::from([outgoing]));
        self.ready.push_back(key);
    }

    /// The records of the next request, in order; none where none may go now.
    pub(crate) fn next_request(&mut self, pace: &mut Pace, now: Instant) -> Vec<Outgoing> {
        while self.parked.peek().is_some_and(|Reverse((wake, _))| *wake <= now) {
            self.ready.extend(self.parked.pop().map(|Reverse((_, key))| key));
        }
        let (mut request, mut bytes) = (Vec::new(), 0);
        while let Some(key) = self.ready.pop_front() {
            let Some(waiting) = self.keys.get_mut(&key) else { continue };
            let before = request.len();
            let mut is_full = false;
            let mut paced = None;
            while let Some(next) = waiting.front() {
                let size = next.record.bytes();
                is_full =
                    request.len() >= MAX_REQUEST_RECORDS || (!request.is_empty() && bytes + size > MAX_REQUEST_BYTES);
                if is_full {
                    break;
                }
                if let Err(later) = pace.admit(&key, size, now) {
                    paced = Some(later);
                    break;
                }
                bytes += size;
                request.extend(waiting.pop_front());
            }
            match (request.len() == before, paced) {
                // It waits for what was taken of it, or it has nothing more.
                (false, _) => {}
                (true, Some(later)) => self.parked.push(Reverse((later, key))),
                (true, None) if is_full => self.ready.push_front(key),
                (true, None) => drop(self.keys.remove(&key)),
            }
            if is_full {
                break;
            }
        }
        request
    }

    /// A key's records are no longer on their way. What was refused, in its order, is tried again at `wake`, before what
    /// waited behind it.
    pub(crate) fn settle(&mut self, key: &str, refused: Vec<Outgoing>, wake: Instant) {
        let Some((key, waiting)) = self.keys.get_key_value(key).map(|(key, waiting)| (Arc::clone(key), waiting.len()))
        else {
            return;
        };
        if refused.is_empty() {
            if waiting == 0 {
                self.keys.remove(&key);
            } else {
                self.ready.push_back(key);
            }
            return;
        }
        if let Some(waiting) = self.keys.get_mut(&key) {
            for outgoing in refused.into_iter().rev() {
                waiting.push_front(outgoing);
            }
        }
        self.parked.push(Reverse((wake, key)));
    }

    /// When the next key may go that must wait now.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.parked.peek().map(|Reverse((wake, _))| *wake)
    }

    /// Hands out everything, in order within each key.
    pub(crate) fn drain(&mut self) -> Vec<Outgoing> {
        self.ready.clear();
        self.parked.clear();
        self.keys.drain().flat_map(|(_, waiting)| waiting).collect()
    }
}
