//! A question about the figures of some days.

use clap::Args;

use super::{FormatArgs, RangeArgs, TableArgs};

/// The question: how it is answered, about which days, by which table.
#[derive(Clone, Debug, Args)]
pub(crate) struct QuestionArgs {
    /// How.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// When.
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// Where.
    #[command(flatten)]
    pub(crate) table: TableArgs,
}
