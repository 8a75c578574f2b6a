//! The tokens that a provider's answer states, whose shape each of them made up for itself.
//!
//! | shape | known by | input | output |
//! |---|---|---|---|
//! | OpenAI, Chat Completions | `prompt_tokens` | cached ones included | reasoning included |
//! | OpenAI, Responses | `input_tokens`, perhaps `input_tokens_details` | cached ones included | reasoning included |
//! | Anthropic | `input_tokens` and a `cache_..._input_tokens` | cached and written ones beside it | reasoning included |
//! | Amazon Bedrock, Converse | `inputTokens` | cached and written ones beside it | reasoning included |
//! | Google, Gemini | `promptTokenCount` | cached ones included | reasoning (`thoughtsTokenCount`) beside it |
//! | OpenTelemetry | `gen_ai.usage.input_tokens` | cached and written ones included | reasoning included |

use crate::event::{Object, whole_number};
use crate::limits::MAX_TOKENS;
use crate::prices::Tokens;

/// The tokens that a provider's `usage` object states; none where it has no shape that is known.
///
/// ```
/// use headcount_core::usage::tokens;
/// let usage = serde_json::json!({"input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 5});
/// let tokens = tokens(usage.as_object().unwrap()).unwrap();
/// assert_eq!((tokens.input, tokens.cached, tokens.output), (120, 100, 5), "Anthropic states cached tokens beside the input");
/// ```
pub fn tokens(usage: &Object) -> Option<Tokens> {
    let found = if usage.contains_key("prompt_tokens") {
        let (input, output) = (usage.get("prompt_tokens_details"), usage.get("completion_tokens_details"));
        openai(usage, ["prompt_tokens", "completion_tokens"], input, output)
    } else if ["cache_read_input_tokens", "cache_creation_input_tokens"].iter().any(|name| usage.contains_key(*name)) {
        let names = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
        beside(usage, names)
    } else if usage.contains_key("input_tokens") {
        let (input, output) = (usage.get("input_tokens_details"), usage.get("output_tokens_details"));
        openai(usage, ["input_tokens", "output_tokens"], input, output)
    } else if usage.contains_key("inputTokens") {
        beside(usage, ["inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"])
    } else if usage.contains_key("promptTokenCount") {
        gemini(usage)
    } else if usage.contains_key("gen_ai.usage.input_tokens") {
        Tokens {
            input: count(usage, "gen_ai.usage.input_tokens"),
            output: count(usage, "gen_ai.usage.output_tokens"),
            cached: count(usage, "gen_ai.usage.cache_read.input_tokens"),
            cache_write: count(usage, "gen_ai.usage.cache_creation.input_tokens"),
            reasoning: count(usage, "gen_ai.usage.reasoning.output_tokens"),
            is_batch: false,
        }
    } else {
        return None;
    };
    let Tokens { input, output, cached, cache_write, reasoning, .. } = found;
    [input, output, cached, cache_write, reasoning].iter().all(|count| *count <= MAX_TOKENS).then_some(found)
}

/// A count; 0 where it is absent or no whole number.
fn count(usage: &Object, name: &str) -> u64 {
    usage.get(name).and_then(whole_number).unwrap_or(0)
}

fn openai(
    usage: &Object,
    [input, output]: [&str; 2],
    of_input: Option<&serde_json::Value>,
    of_output: Option<&serde_json::Value>,
) -> Tokens {
    let detail = |details: Option<&serde_json::Value>, name: &str| {
        details.and_then(|details| details.as_object()).map_or(0, |details| count(details, name))
    };
    Tokens {
        input: count(usage, input),
        output: count(usage, output),
        cached: detail(of_input, "cached_tokens"),
        cache_write: detail(of_input, "cache_write_tokens"),
        reasoning: detail(of_output, "reasoning_tokens"),
        is_batch: false,
    }
}

/// Where cached tokens and those written to a cache are stated beside the input.
fn beside(usage: &Object, [input, output, cached, cache_write]: [&str; 4]) -> Tokens {
    let [fresh, output, cached, cache_write] = [input, output, cached, cache_write].map(|name| count(usage, name));
    let input = fresh.saturating_add(cached).saturating_add(cache_write);
    Tokens { input, output, cached, cache_write, ..Tokens::default() }
}

fn gemini(usage: &Object) -> Tokens {
    let reasoning = count(usage, "thoughtsTokenCount");
    Tokens {
        input: count(usage, "promptTokenCount").saturating_add(count(usage, "toolUsePromptTokenCount")),
        output: count(usage, "candidatesTokenCount").saturating_add(reasoning),
        cached: count(usage, "cachedContentTokenCount"),
        reasoning,
        ..Tokens::default()
    }
}
