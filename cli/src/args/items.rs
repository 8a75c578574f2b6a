//! Which items of events are written: what the commands that consume share.

use clap::Args;
use headcount_follow::ItemOptions;

/// Which items of events are written. Under whichever heading it is flattened.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ItemArgs {
    /// Do not write an item for each event: `headcount user` then reads the event log
    #[arg(long)]
    pub(crate) no_event_items: bool,
    /// Do not list the items of events by user: half the writes, but `headcount user` then reads the event log
    #[arg(long)]
    pub(crate) no_user_index: bool,
}

impl ItemArgs {
    /// As the consumer knows them.
    pub(crate) fn options(self) -> ItemOptions {
        ItemOptions { event_items: !self.no_event_items, user_index: !self.no_user_index }
    }
}
