//! What makes an event acceptable, where a command does the consumer's work.

use clap::Args;
use headcount_core::ip_policy::IpPolicy;

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
}
