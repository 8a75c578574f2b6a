//! Which attributes of a span say whose request it was.

/// Names of attributes, each list in the order in which they are asked for: first of the span, then of its resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanAttributes {
    /// The user's id.
    pub user: Vec<String>,
    /// The session's id.
    pub session: Vec<String>,
    /// The account's id.
    pub account: Vec<String>,
}

impl Default for SpanAttributes {
    /// Those of OpenTelemetry's conventions, and `account.id`, for which they have no name.
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            user: names(&["user.id", "enduser.id"]),
            session: names(&["session.id", "gen_ai.conversation.id"]),
            account: names(&["account.id"]),
        }
    }
}

impl SpanAttributes {
    /// Attributes of the deployment's own, which are asked for first: `user=app.user_id, account=tenant.id`.
    ///
    /// # Errors
    ///
    /// A part is not `user`, `session` or `account` with the name of an attribute.
    ///
    /// ```
    /// use headcount_collector::SpanAttributes;
    /// let attributes = SpanAttributes::parse("user=app.user_id, account=tenant.id").unwrap();
    /// assert_eq!(attributes.user, ["app.user_id", "user.id", "enduser.id"]);
    /// assert!(SpanAttributes::parse("app.user_id").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, SpanAttributesError> {
        let mut attributes = Self::default();
        let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        // What is named first is asked for first.
        for part in parts.into_iter().rev() {
            let unusable = || SpanAttributesError(part.chars().take(100).collect());
            let (whose, name) = part.split_once('=').ok_or_else(unusable)?;
            let names = match whose.trim() {
                "user" => &mut attributes.user,
                "session" => &mut attributes.session,
                "account" => &mut attributes.account,
                _ => return Err(unusable()),
            };
            if name.trim().is_empty() {
                return Err(unusable());
            }
            names.insert(0, name.trim().to_owned());
        }
        Ok(attributes)
    }
}

/// A part that names no attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no attribute: write user=NAME, session=NAME or account=NAME")]
pub struct SpanAttributesError(String);
