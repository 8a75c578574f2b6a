//! What a request to a language model costs: prices for each token, and the bill that they make.
//!
//! A table is read from the JSON that `LiteLLM` publishes as `model_prices_and_context_window.json`: an object with an entry for
//! each model, prices in US dollars for one token. A bill is counted in femto-dollars (10^-15 dollars), as whole numbers, and
//! rounded once, to the nearest nano-dollar; half a nano-dollar is rounded up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::hash::hash64;
use crate::limits::{MAX_COST_USD, MAX_PRICE_TABLE_BYTES};

/// The table that comes with this build.
const SHIPPED: &str = include_str!("../prices/headcount-2026-11.json");

/// Its id.
const SHIPPED_ID: &str = "headcount-2026-11";

/// Femto-dollars of a dollar.
const FEMTOS_PER_DOLLAR: f64 = 1e15;

/// Femto-dollars of a nano-dollar.
const FEMTOS_PER_NANO: u128 = 1_000_000;

/// The most that a token may cost, in dollars: beyond, a price was meant for something else.
const MAX_PRICE: f64 = 1.0;

/// An entry that explains the others.
const SAMPLE: &str = "sample_spec";

/// The tokens of a request. Cached ones and those written to a cache are part of the input, reasoning is part of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All of the input.
    pub input: u64,
    /// All of the output.
    pub output: u64,
    /// Of the input, those that came from a cache.
    pub cached: u64,
    /// Of the input, those that were written to a cache.
    pub cache_write: u64,
    /// Of the output, those of reasoning.
    pub reasoning: u64,
    /// Whether the request was part of a batch.
    pub is_batch: bool,
}

/// Prices for a token of each kind, in femto-dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rates {
    input: u64,
    output: u64,
    cached: u64,
    cache_write: u64,
    reasoning: u64,
}

/// The rates of a request with more input than so many tokens: of all its tokens, as providers charge them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tier {
    above: u64,
    standard: Rates,
    batch: Rates,
}

/// Prices of models, by the names under which events name them.
#[derive(Clone, PartialEq, Eq)]
pub struct PriceTable {
    id: Arc<str>,
    /// The tiers of each model, the largest input first. The last one is above nothing.
    models: BTreeMap<Box<str>, Vec<Tier>>,
    left_out: Vec<Box<str>>,
    /// The file's name and its bytes; none of the table that is shipped.
    file: Option<(Box<str>, Box<[u8]>)>,
}

impl PriceTable {
    /// The table that comes with this build: prices of `OpenAI`, Anthropic, Google and Amazon Bedrock. The file names its date and the
    /// page to check each price against.
    pub fn shipped() -> Self {
        Self::read(SHIPPED_ID.into(), SHIPPED.as_bytes()).expect("the table that is shipped can be read")
    }

    /// The table in these bytes of a file of this name. Its id is the name without what follows the first dot, and a checksum, so that
    /// an event says exactly by which prices it was priced.
    ///
    /// # Errors
    /// [`PriceTableError`].
    ///
    /// ```
    /// use headcount_core::prices::{PriceTable, Tokens};
    /// let json = br#"{"m-1": {"input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05}}"#;
    /// let table = PriceTable::parse("mine.json", json).unwrap();
    /// assert!(table.id().starts_with("mine-"));
    /// let tokens = Tokens { input: 1_000, output: 10, ..Tokens::default() };
    /// assert_eq!(table.bill("m-1", &tokens), Some(2_600_000), "nano-dollars");
    /// assert_eq!(table.bill("m-2", &tokens), None);
    /// ```
    pub fn parse(name: &str, json: &[u8]) -> Result<Self, PriceTableError> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = name.split('.').next().unwrap_or_default();
        let stem: String = stem.chars().filter(|c| !c.is_control()).take(MAX_STEM_CHARS).collect();
        let table = Self::read(format!("{stem}-{:08x}", hash64(json) as u32).into(), json)?;
        Ok(Self { file: Some((name.into(), json.into())), ..table })
    }

    fn read(id: Arc<str>, json: &[u8]) -> Result<Self, PriceTableError> {
        if json.len() > MAX_PRICE_TABLE_BYTES {
            return Err(PriceTableError::TooLarge { bytes: json.len() });
        }
        let entries: Map<String, Value> =
            serde_json::from_slice(json).map_err(|error| PriceTableError::Json(error.to_string()))?;
        let (mut models, mut left_out) = (BTreeMap::new(), Vec::new());
        for (name, entry) in entries.iter().filter(|(name, _)| *name != SAMPLE) {
            match entry.as_object().map(tiers) {
                Some(Ok(Some(tiers))) => {
                    models.insert(name.as_str().into(), tiers);
                }
                // Priced by the image, the second or the query.
                Some(Ok(None)) => {}
                Some(Err(Unusable)) | None => left_out.push(name.as_str().into()),
            }
        }
        if models.is_empty() { Err(PriceTableError::Empty) } else { Ok(Self { id, models, left_out, file: None }) }
    }

    /// What events that it priced name it by.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The name and the bytes of the file that it was read from; none of the table that comes with this build.
    pub fn file(&self) -> Option<(&str, &[u8])> {
        self.file.as_ref().map(|(name, json)| (&**name, &**json))
    }

    /// How many models it has prices of.
    pub fn models(&self) -> usize {
        self.models.len()
    }

    /// The models whose prices cannot be read.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.left_out.iter().map(AsRef::as_ref)
    }

    /// The bill of a request in nano-dollars; none where the table does not have the model, or where it would be more than an event
    /// may state. A model is known by its name, or else by what follows the last slash of it.
    pub fn bill(&self, model: &str, tokens: &Tokens) -> Option<u64> {
        let tiers = self.models.get(model).or_else(|| self.models.get(model.rsplit_once('/')?.1))?;
        let tier = tiers.iter().find(|tier| tokens.input > tier.above).or(tiers.last())?;
        let rates = if tokens.is_batch { &tier.batch } else { &tier.standard };
        let nanos = rates.femtos(tokens).checked_add(FEMTOS_PER_NANO / 2)? / FEMTOS_PER_NANO;
        u64::try_from(nanos).ok().filter(|nanos| *nanos <= (MAX_COST_USD * 1e9) as u64)
    }
}

/// Characters of a file's name in a table's id.
const MAX_STEM_CHARS: usize = 40;

impl fmt::Debug for PriceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PriceTable").field("id", &self.id).field("models", &self.models()).finish_non_exhaustive()
    }
}

impl Rates {
    /// What the tokens cost. Parts that are more than the whole they are part of leave nothing of it.
    fn femtos(&self, tokens: &Tokens) -> u128 {
        let fresh = tokens.input.saturating_sub(tokens.cached.saturating_add(tokens.cache_write));
        let written = tokens.output.saturating_sub(tokens.reasoning);
        let of = |tokens: u64, rate: u64| u128::from(tokens) * u128::from(rate);
        of(fresh, self.input)
            + of(tokens.cached, self.cached)
            + of(tokens.cache_write, self.cache_write)
            + of(written, self.output)
            + of(tokens.reasoning, self.reasoning)
    }
}

/// An entry with a price that is none.
struct Unusable;

/// The tiers of an entry; none where it has no price of a token.
fn tiers(entry: &Map<String, Value>) -> Result<Option<Vec<Tier>>, Unusable> {
    let price = |name: &str| match entry.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(dollars) if (0.0..=MAX_PRICE).contains(&dollars) => {
                Ok(Some((dollars * FEMTOS_PER_DOLLAR).round() as u64))
            }
            _ => Err(Unusable),
        },
    };
    let Some(input) = price("input_cost_per_token")? else { return Ok(None) };
    let output = price("output_cost_per_token")?.unwrap_or(0);
    let base = Rates {
        input,
        output,
        cached: price("cache_read_input_token_cost")?.unwrap_or(input),
        cache_write: price("cache_creation_input_token_cost")?.unwrap_or(input),
        reasoning: price("output_cost_per_reasoning_token")?.unwrap_or(output),
    };
    let mut thresholds: Vec<u64> = entry.keys().filter_map(|name| threshold(name)).collect();
    thresholds.sort_unstable();
    thresholds.dedup();
    let mut tiers = vec![Tier { above: 0, standard: base, batch: base }];
    for above in thresholds {
        let of = |name: &str| price(&format!("{name}_above_{}k_tokens", above / 1_000));
        let input = of("input_cost_per_token")?.unwrap_or(base.input);
        let output = of("output_cost_per_token")?.unwrap_or(base.output);
        let standard = Rates {
            input,
            output,
            // Where no price is named, in the proportion of the base prices.
            cached: of("cache_read_input_token_cost")?.unwrap_or(scaled(base.cached, input, base.input)),
            cache_write: of("cache_creation_input_token_cost")?.unwrap_or(scaled(base.cache_write, input, base.input)),
            reasoning: scaled(base.reasoning, output, base.output),
        };
        tiers.push(Tier { above, standard, batch: standard });
    }
    let (input_batches, output_batches) =
        (price("input_cost_per_token_batches")?, price("output_cost_per_token_batches")?);
    for tier in &mut tiers {
        let Rates { input, output, cached, cache_write, reasoning } = tier.standard;
        let of_input = |rate| input_batches.map_or(rate, |batch| scaled(rate, batch, base.input));
        let of_output = |rate| output_batches.map_or(rate, |batch| scaled(rate, batch, base.output));
        tier.batch = Rates {
            input: of_input(input),
            output: of_output(output),
            cached: of_input(cached),
            cache_write: of_input(cache_write),
            reasoning: of_output(reasoning),
        };
    }
    tiers.reverse();
    Ok(Some(tiers))
}

/// The tokens of input above which a price holds, as its name says: `input_cost_per_token_above_200k_tokens`.
fn threshold(name: &str) -> Option<u64> {
    let (_, rest) = name.split_once("_token_above_").or_else(|| name.split_once("_token_cost_above_"))?;
    rest.strip_suffix("k_tokens")?.parse::<u64>().ok()?.checked_mul(1_000)
}

/// `rate` times `new / old`, to the nearest femto-dollar.
fn scaled(rate: u64, new: u64, old: u64) -> u64 {
    if old == 0 {
        return rate;
    }
    let product = u128::from(rate) * u128::from(new) + u128::from(old) / 2;
    u64::try_from(product / u128::from(old)).unwrap_or(u64::MAX)
}

/// Why there is no price table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceTableError {
    /// Too many bytes.
    #[error("the price table has {bytes} bytes: at most {MAX_PRICE_TABLE_BYTES} are allowed")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// No JSON object.
    #[error("the price table is not a JSON object with an entry for each model: {0}")]
    Json(String),
    /// No prices.
    #[error(
        "the price table has no model with an input_cost_per_token from 0 to 1: it must be in the format of LiteLLM's \
         model_prices_and_context_window.json"
    )]
    Empty,
}

#[cfg(test)]
mod tests;
