//! A consumer on this machine: what it accepts, and where it writes.

use clap::Args;

use super::{LogArgs, PriceArgs, RuleArgs, TableArgs};

/// The consumer that the command line describes.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConsumerArgs {
    /// What is acceptable.
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// What tokens cost.
    #[command(flatten)]
    pub(crate) prices: PriceArgs,
    /// Where to.
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
