//! Going back to an earlier moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Items, MemoryStore};

/// All items of a store at one moment. Clones share them.
#[derive(Clone, Debug)]
pub struct Snapshot(Arc<Items>);

impl MemoryStore {
    /// All items as they are now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(Arc::new(self.items().clone()))
    }

    /// Goes back to these moments, the oldest first: each item as it was, or was not yet there, at one of them, drawn from
    /// `seed`. DynamoDB's backups need not be of one moment
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_HowItWorks.html>). With one moment all are.
    ///
    /// The table's record is the newest, with its old number: whoever restores draws a new one, by
    /// [`Self::set_meta`].
    pub fn restore(&self, moments: &[Snapshot], seed: u64) {
        let mut draw = Draw { moments, random: fastrand::Rng::with_seed(seed) };
        let restored = Items {
            events: draw.of(|items| &items.events),
            rejected: draw.of(|items| &items.rejected),
            partials: draw.of(|items| &items.partials),
            checkpoints: draw.of(|items| &items.checkpoints),
            profiles: draw.of(|items| &items.profiles),
            dailies: draw.of(|items| &items.dailies),
            sketches: draw.of(|items| &items.sketches),
            totals: draw.of(|items| &items.totals),
            proofs: draw.of(|items| &items.proofs),
            proven_sources: draw.of(|items| &items.proven_sources),
            budgets: draw.of(|items| &items.budgets),
            meta: moments.iter().rev().find_map(|Snapshot(items)| items.meta.clone()),
        };
        *self.items() = restored;
    }
}

struct Draw<'a> {
    moments: &'a [Snapshot],
    random: fastrand::Rng,
}

impl<'a> Draw<'a> {
    fn of<K: Ord + Clone + 'a, V: Clone + 'a>(
        &mut self,
        kind: impl Fn(&'a Items) -> &'a BTreeMap<K, V>,
    ) -> BTreeMap<K, V> {
        let keys: BTreeSet<&K> = self.moments.iter().flat_map(|Snapshot(items)| kind(items).keys()).collect();
        let mut restored = BTreeMap::new();
        for key in keys {
            let Snapshot(drawn) = &self.moments[self.random.usize(..self.moments.len())];
            if let Some(item) = kind(drawn).get(key) {
                restored.insert(key.clone(), item.clone());
            }
        }
        restored
    }
}
