//! What the function reads from its environment.

use crate::access::Access;
use crate::token::{ReadToken, TokenError};

/// The table of the events.
pub const EVENTS_TABLE: &str = "EVENTS_TABLE";

/// The table of the figures; that of the events where it is not set.
pub const METRICS_TABLE: &str = "METRICS_TABLE";

/// What a reader must know.
pub const READ_TOKEN: &str = "READ_TOKEN";

/// The secret of AWS Secrets Manager, by name or ARN, that holds what a reader must know.
pub const READ_TOKEN_SECRET: &str = "READ_TOKEN_SECRET";

/// `iam` where IAM decides who reads.
pub const READ_ACCESS: &str = "READ_ACCESS";

/// The environment of the function.
#[derive(Debug)]
pub struct Config {
    /// `EVENTS_TABLE`: events, partials, users.
    pub table: String,
    /// `METRICS_TABLE`: the figures; the same where there is none.
    pub metrics_table: String,
    /// `READ_TOKEN_SECRET`, `READ_TOKEN`, or `READ_ACCESS=iam`.
    pub access: AccessBy,
}

/// How the function tells who may read.
#[derive(Debug)]
pub enum AccessBy {
    /// By what never changes while it runs.
    Fixed(Box<Access>),
    /// By the token in the secret of this name or ARN.
    Secret(String),
}

/// Why the function cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The table is not named.
    #[error("EVENTS_TABLE is not set: name the table of the events")]
    NoTable,
    /// The token is none.
    #[error("READ_TOKEN: {0}")]
    Token(#[from] TokenError),
    /// Nobody could read, or everybody.
    #[error(
        "set READ_TOKEN_SECRET, READ_TOKEN, or READ_ACCESS=iam where the function's address is signed by IAM; exactly one of them"
    )]
    Access,
}

impl Config {
    /// What the variables say.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let table = set(EVENTS_TABLE).ok_or(ConfigError::NoTable)?;
        let metrics_table = set(METRICS_TABLE).unwrap_or_else(|| table.clone());
        let access = match (set(READ_TOKEN_SECRET), set(READ_TOKEN), set(READ_ACCESS).as_deref()) {
            (Some(secret), None, None) => AccessBy::Secret(secret),
            (None, Some(token), None) => AccessBy::Fixed(Box::new(Access::by_token(ReadToken::new(&token)?))),
            (None, None, Some("iam")) => AccessBy::Fixed(Box::new(Access::by_iam())),
            _ => return Err(ConfigError::Access),
        };
        Ok(Self { table, metrics_table, access })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_read_must_be_said() {
        let read = |set: &[(&str, &str)]| {
            let variable =
                |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            Config::read(variable).map(|config| (config.table, config.metrics_table)).map_err(|error| error.to_string())
        };
        let (table, token) = (("EVENTS_TABLE", "t"), ("READ_TOKEN", "0123456789abcdef"));
        assert_eq!(read(&[table, token]), Ok(("t".into(), "t".into())));
        let figures = ("METRICS_TABLE", "m");
        let secret = ("READ_TOKEN_SECRET", "headcount-read-token");
        assert_eq!(read(&[table, secret]), Ok(("t".into(), "t".into())));
        assert_eq!(read(&[table, figures, ("READ_ACCESS", "iam")]), Ok(("t".into(), "m".into())));
        for (set, says) in [
            (&[token][..], "EVENTS_TABLE"),
            (&[table][..], "exactly one"),
            (&[table, token, ("READ_ACCESS", "iam")][..], "exactly one"),
            (&[table, token, secret][..], "exactly one"),
            (&[table, ("READ_ACCESS", "none")][..], "exactly one"),
            (&[table, ("READ_TOKEN", "short")][..], "16 to 512"),
        ] {
            let error = read(set).unwrap_err();
            assert!(error.contains(says) && !error.contains("short"), "{error}");
        }
    }
}
