//! A day's partials become one: decoded and merged side by side.

use headcount_core::merged::{Merged, SetAside};
use headcount_core::partial::{Partial, PartialRecord};
use rayon::prelude::*;

/// Merges the partials; a damaged one is named, and the others go on.
pub(crate) fn merge(records: &[PartialRecord]) -> Merged {
    records.par_iter().map(Merged::of).reduce_with(Merged::join).unwrap_or_default()
}

/// The damaged ones among the partials.
pub(crate) fn damaged(records: &[PartialRecord]) -> Vec<SetAside> {
    let one = |record: &PartialRecord| Some(SetAside::new(record, &Partial::decode(record).err()?));
    records.par_iter().filter_map(one).collect()
}
