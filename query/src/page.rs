//! Where the next page of a listing begins, as text that a caller hands back as it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::QueryError;

/// Items of a page, unless asked otherwise.
pub const DEFAULT_PAGE_ITEMS: usize = 50;

/// Items of a page, at most: keys in one `BatchGetItem`.
pub const MAX_PAGE_ITEMS: usize = 100;

/// Bytes of a page's text, at most: an event's id has 128.
const MAX_TEXT_BYTES: usize = 1_024;

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// What the page before said comes next; the first page where there is none.
    pub after: Option<String>,
    /// Items, 1 to [`MAX_PAGE_ITEMS`]; [`DEFAULT_PAGE_ITEMS`] where there is none.
    pub limit: Option<usize>,
}

impl PageRequest {
    pub(crate) fn limit(&self) -> Result<usize, QueryError> {
        match self.limit.unwrap_or(DEFAULT_PAGE_ITEMS) {
            limit if (1..=MAX_PAGE_ITEMS).contains(&limit) => Ok(limit),
            limit => Err(QueryError::Limit { limit }),
        }
    }

    /// The position that the page begins after.
    pub(crate) fn position<P: DeserializeOwned>(&self) -> Result<Option<P>, QueryError> {
        let Some(text) = &self.after else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|_| text.len() <= MAX_TEXT_BYTES);
        let position = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        position.map(Some).ok_or(QueryError::Page)
    }
}

/// The text of a position.
pub(crate) fn text_of(position: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).expect("memory takes all"))
}
