//! What tokens cost, where a command does the consumer's work.

use std::path::PathBuf;

use clap::Args;
use headcount_core::prices::PriceTable;

use crate::failure::Failure;
use crate::output;

/// Models that cannot be priced and are named, at most.
const MAX_NAMED: usize = 5;

/// Under whichever heading it is flattened.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PriceArgs {
    /// Prices of language models, in the format of `LiteLLM`'s `model_prices_and_context_window.json`, for requests with tokens and no
    /// cost [default: the table that comes with Headcount]
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
}

impl PriceArgs {
    /// The table that is named, if one is. Models without a usable price are told.
    pub(crate) fn table(&self) -> Result<Option<PriceTable>, Failure> {
        let Some(file) = &self.prices else { return Ok(None) };
        let remedy =
            "download model_prices_and_context_window.json of LiteLLM, or write a file in its format: docs/ai.md";
        let json = std::fs::read(file).map_err(|error| {
            Failure::new(format!("the prices in {} cannot be read ({error})", file.display()), remedy)
        })?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let table = PriceTable::parse(&name, &json).map_err(|error| {
            Failure::new(format!("the prices in {} cannot be used: {error}", file.display()), remedy)
        })?;
        let left_out: Vec<&str> = table.left_out().collect();
        if !left_out.is_empty() {
            let named = left_out.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
            output::note(&format!(
                "{} models of {} are not priced, because a price of theirs is not a number from 0 to 1 (US dollars for a token): {named}",
                left_out.len(),
                file.display()
            ));
        }
        Ok(Some(table))
    }

    /// The table that is named, or else the one that comes with Headcount.
    pub(crate) fn table_or_shipped(&self) -> Result<PriceTable, Failure> {
        Ok(self.table()?.unwrap_or_else(PriceTable::shipped))
    }
}
