//! What makes an event acceptable, where a command does the consumer's work.

use clap::Args;
use headcount_consumer::config::PLACEHOLDER_IDS;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::validate::Rules;

use crate::failure::Failure;

/// The consumer's own settings: what is not given here is taken from the variables of its Lambda function.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Rules")]
pub(crate) struct RuleArgs {
    /// Additional event types, comma-separated, as the consumer has them [default: the variable `EVENT_TYPES`]
    #[arg(long, value_name = "NAMES")]
    pub(crate) event_types: Option<String>,
    /// What is kept of addresses: keep, truncate (to /24 or /48) or drop [default: the variable `IP_POLICY`, or keep]
    #[arg(long, value_name = "POLICY")]
    pub(crate) ip_policy: Option<IpPolicy>,
    /// User ids that name nobody, comma-separated, case-insensitive; their events count for no user. A lone comma is none
    /// [default: the variable `PLACEHOLDER_IDS`, or undefined, null, NaN, [object Object] and the like]
    #[arg(long, value_name = "IDS")]
    pub(crate) placeholder_ids: Option<String>,
}

impl RuleArgs {
    /// These rules with the ids that name nobody, where any are given. Nothing but blanks is not given.
    pub(crate) fn with_placeholder_ids(&self, rules: Rules) -> Result<Rules, Failure> {
        let variable = std::env::var(PLACEHOLDER_IDS).ok();
        let ids = self.placeholder_ids.as_deref().or(variable.as_deref());
        match ids.filter(|ids| !ids.trim().is_empty()) {
            Some(ids) => rules.with_placeholder_ids(ids.split(',')).map_err(Failure::said),
            None => Ok(rules),
        }
    }
}
