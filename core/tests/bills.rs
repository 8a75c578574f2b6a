//! Fifty bills, calculated by hand from the prices of the shipped table, against what an event with the provider's `usage` costs.
//!
//! The arithmetic is in nano-dollars a token: $2.50 a million tokens are 2,500. It is written out as tokens times price; what
//! is cached, written to a cache or part of a batch has a price of its own.

use headcount_core::origin::Source;
use headcount_core::prices::PriceTable;
use headcount_core::validate::{Arrival, Rules, validate};
use serde_json::{Value, json};

const NOW_MS: i64 = 1_795_500_000_000;

/// What an event with this `eventData` costs once it is accepted, in nano-dollars.
fn cost(data: &Value) -> u64 {
    let source = Source::shard("events", None, "shardId-000000000000").unwrap();
    let arrival = Arrival { source, sequence: 1.into(), arrived_ms: NOW_MS };
    let text = json!({
        "userId": "u", "sessionId": "s", "eventType": "ai_request", "eventData": data,
        "metadata": {"userAgent": "a", "ipAddress": "192.0.2.1", "platform": "web"},
    })
    .to_string();
    let rules = Rules::default().with_prices(PriceTable::shipped());
    let event = validate(&text, &arrival, 0, &rules).unwrap().event;
    assert_eq!(event.priced_by.as_deref(), Some("headcount-2026-11"), "{text}");
    // As it is stored it is accepted again, and costs the same.
    let stored = headcount_core::wire::to_json(&event);
    let again = validate(&stored, &arrival, 0, &rules).unwrap();
    assert_eq!((&again.event, again.mended), (&event, 0), "{stored}");
    event.ai_use().cost_nanos
}

/// OpenAI, Chat Completions: prompt, of it cached, completion, of it reasoning.
fn chat(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> Value {
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "accepted_prediction_tokens": 0},
    })
}

/// OpenAI, Responses: input, of it cached, output, of it reasoning.
fn responses(input: u64, cached: u64, output: u64, reasoning: u64) -> Value {
    json!({
        "input_tokens": input, "input_tokens_details": {"cached_tokens": cached}, "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning}, "total_tokens": input + output,
    })
}

/// Anthropic, Messages: fresh input, written to the cache, read from the cache, output.
fn messages(fresh: u64, written: u64, read: u64, output: u64) -> Value {
    json!({
        "input_tokens": fresh, "cache_creation_input_tokens": written, "cache_read_input_tokens": read, "output_tokens": output,
        "service_tier": "standard",
    })
}

/// Amazon Bedrock, Converse: fresh input, written to the cache, read from the cache, output.
fn converse(fresh: u64, written: u64, read: u64, output: u64) -> Value {
    json!({
        "inputTokens": fresh, "cacheWriteInputTokens": written, "cacheReadInputTokens": read, "outputTokens": output,
        "totalTokens": fresh + written + read + output,
    })
}

/// Google, Gemini: prompt, of it cached, candidates, and thoughts beside these.
fn gemini(prompt: u64, cached: u64, candidates: u64, thoughts: u64) -> Value {
    json!({
        "promptTokenCount": prompt, "cachedContentTokenCount": cached, "candidatesTokenCount": candidates,
        "thoughtsTokenCount": thoughts, "totalTokenCount": prompt + candidates + thoughts,
    })
}

/// OpenTelemetry's attributes: input, of it cached and written, output, of it reasoning.
fn otel(input: u64, cached: u64, written: u64, output: u64, reasoning: u64) -> Value {
    json!({
        "gen_ai.usage.input_tokens": input, "gen_ai.usage.cache_read.input_tokens": cached,
        "gen_ai.usage.cache_creation.input_tokens": written, "gen_ai.usage.output_tokens": output,
        "gen_ai.usage.reasoning.output_tokens": reasoning,
    })
}

#[test]
#[rustfmt::skip]
fn fifty_bills_are_those_of_the_providers() {
    let bills: [(&str, Value, bool, u64); 50] = [
        // OpenAI: cached tokens are part of the prompt, reasoning is part of the completion and costs as much.
        ("gpt-4o", chat(1_000, 0, 100, 0), false, 1_000 * 2_500 + 100 * 10_000),
        ("gpt-4o", chat(1_000, 300, 100, 0), false, 700 * 2_500 + 300 * 1_250 + 100 * 10_000),
        ("gpt-4o", chat(2_048, 1_024, 512, 0), true, 1_024 * 1_250 + 1_024 * 625 + 512 * 5_000),
        ("gpt-4o-2024-08-06", chat(17, 0, 3, 0), false, 17 * 2_500 + 3 * 10_000),
        ("gpt-4o-mini", chat(12_345, 0, 678, 0), false, 12_345 * 150 + 678 * 600),
        ("gpt-4o-mini", chat(12_345, 12_288, 678, 0), false, 57 * 150 + 12_288 * 75 + 678 * 600),
        ("gpt-4o-mini", chat(1_001, 0, 33, 0), true, 1_001 * 75 + 33 * 300),
        ("gpt-4.1", chat(5_000, 4_096, 250, 0), false, 904 * 2_000 + 4_096 * 500 + 250 * 8_000),
        ("gpt-4.1-mini", chat(333, 0, 77, 0), false, 333 * 400 + 77 * 1_600),
        ("gpt-4.1-nano", chat(999, 128, 1, 0), false, 871 * 100 + 128 * 25 + 400),
        ("o3", chat(800, 0, 2_600, 2_400), false, 800 * 2_000 + 2_600 * 8_000),
        ("o3-mini", chat(4_000, 1_000, 900, 640), false, 3_000 * 1_100 + 1_000 * 550 + 900 * 4_400),
        ("o1", chat(100, 0, 1_100, 1_024), false, 100 * 15_000 + 1_100 * 60_000),
        ("gpt-5", responses(10_000, 8_000, 1_500, 1_024), false, 2_000 * 1_250 + 8_000 * 125 + 1_500 * 10_000),
        ("gpt-5", responses(10_000, 0, 1_500, 0), true, 10_000 * 625 + 1_500 * 5_000),
        ("gpt-5-mini", responses(75, 0, 1_186, 1_024), false, 75 * 250 + 1_186 * 2_000),
        // Half of 25 nano-dollars a cached token: 1,000 of them are 12,500.
        ("gpt-5-mini", responses(1_500, 1_000, 10, 0), true, 500 * 125 + 12_500 + 10 * 1_000),
        ("gpt-5-nano", responses(3, 0, 7, 0), false, 3 * 50 + 7 * 400),
        // 3 cached tokens of a batch cost 2.5 each, 7.5 in all; with the rest 82.5, and half a nano-dollar is rounded up.
        ("gpt-5-nano", responses(6, 3, 0, 0), true, 83),
        ("gpt-5.1", responses(20_000, 19_968, 64, 0), false, 32 * 1_250 + 19_968 * 125 + 64 * 10_000),
        ("o4-mini", responses(1_234, 1_024, 4_321, 4_096), false, 210 * 1_100 + 1_024 * 275 + 4_321 * 4_400),
        ("gpt-6.2-sol", responses(272_000, 0, 100, 0), false, 272_000 * 2_000 + 100 * 10_000),
        ("gpt-6.2-sol", responses(272_001, 200_000, 100, 0), false, 72_001 * 4_000 + 200_000 * 200 + 100 * 15_000),
        ("text-embedding-3-small", json!({"prompt_tokens": 8_191, "total_tokens": 8_191}), false, 8_191 * 20),
        ("text-embedding-3-large", json!({"prompt_tokens": 501, "total_tokens": 501}), true, 501 * 65),
        // Anthropic: what is read from the cache and written to it stands beside the input.
        ("claude-sonnet-4-5", messages(2_095, 0, 0, 503), false, 2_095 * 3_000 + 503 * 15_000),
        ("claude-sonnet-4-5", messages(21, 188_086, 0, 393), false, 21 * 3_000 + 188_086 * 3_750 + 393 * 15_000),
        ("claude-sonnet-4-5", messages(21, 0, 188_086, 393), false, 21 * 3_000 + 188_086 * 300 + 393 * 15_000),
        ("claude-sonnet-4-5-20250929", messages(50, 248, 1_800, 503), true, 50 * 1_500 + 248 * 1_875 + 1_800 * 150 + 503 * 7_500),
        ("claude-opus-4-5", messages(1_000, 500, 20_000, 700), false, 1_000 * 5_000 + 500 * 6_250 + 20_000 * 500 + 700 * 25_000),
        ("claude-opus-4-1", messages(10, 0, 0, 10), false, 10 * 15_000 + 10 * 75_000),
        ("claude-opus-4-1", messages(9, 1, 8, 7), true, 9 * 7_500 + 9_375 + 8 * 750 + 7 * 37_500),
        ("claude-opus-5-5", messages(400, 30, 9_000, 55), false, 400 * 4_000 + 30 * 5_000 + 9_000 * 200 + 55 * 20_000),
        ("claude-haiku-4-5", messages(123, 4_567, 0, 89), false, 123 * 1_000 + 4_567 * 1_250 + 89 * 5_000),
        ("claude-3-5-haiku-20241022", messages(777, 0, 3, 1), false, 777 * 800 + 3 * 80 + 4_000),
        ("claude-3-haiku-20240307", messages(7, 5, 3, 2), false, 7 * 250 + 5 * 300 + 3 * 30 + 2 * 1_250),
        // A prompt counts with what is read from the cache: 100,001 tokens are above 100,000.
        ("claude-haiku-5-5", messages(100_000, 0, 0, 10), false, 100_000 * 100 + 10 * 500),
        ("claude-haiku-5-5", messages(1, 0, 100_000, 10), false, 500 + 100_000 * 50 + 10 * 2_500),
        // Amazon Bedrock, Converse: beside the input as well.
        ("amazon.nova-pro-v1:0", converse(1_000, 0, 0, 200), false, 1_000 * 800 + 200 * 3_200),
        ("amazon.nova-pro-v1:0", converse(100, 0, 900, 200), false, 100 * 800 + 900 * 200 + 200 * 3_200),
        ("amazon.nova-lite-v1:0", converse(31, 0, 0, 7), true, 31 * 30 + 7 * 120),
        // 8.75 nano-dollars a cached token: 3 of them are 26.25, with the rest 201.25.
        ("amazon.nova-micro-v1:0", converse(1, 0, 3, 1), false, 201),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", converse(20, 1_500, 0, 9), false, 20 * 1_000 + 1_500 * 1_250 + 9 * 5_000),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0", converse(5, 0, 2_000, 6), false,
            5 * 3_000 + 2_000 * 300 + 6 * 15_000),
        // Google: thoughts stand beside the candidates, and long prompts cost more.
        ("gemini-2.5-pro", gemini(200_000, 0, 500, 300), false, 200_000 * 1_250 + 800 * 10_000),
        ("models/gemini-2.5-pro", gemini(200_001, 150_000, 500, 300), false, 50_001 * 2_500 + 150_000 * 250 + 800 * 15_000),
        ("gemini-2.5-flash", gemini(1_024, 1_000, 10, 0), true, 24 * 150 + 1_000 * 15 + 10 * 1_250),
        // OpenTelemetry: all parts are included, whoever the provider is.
        ("claude-sonnet-4-5", otel(2_400, 1_800, 500, 503, 0), false, 100 * 3_000 + 1_800 * 300 + 500 * 3_750 + 503 * 15_000),
        ("gpt-5", otel(10_000, 8_000, 0, 1_500, 1_024), false, 2_000 * 1_250 + 8_000 * 125 + 1_500 * 10_000),
        ("gpt-6.2-sol", otel(1_000, 100, 200, 50, 0), true, 700 * 1_000 + 100 * 50 + 200 * 1_250 + 50 * 5_000),
    ];
    for (number, (model, usage, is_batch, nanos)) in (1..).zip(bills) {
        let data = json!({"model": model, "usage": usage, "batch": is_batch});
        assert_eq!(cost(&data), nanos, "bill {number}: {data}");
    }
}

#[test]
fn the_same_counts_in_our_own_fields_cost_the_same() {
    let parts = json!({"model": "gpt-6.2-sol", "inputTokens": 1_000, "cachedTokens": 100, "cacheWriteTokens": 200, "outputTokens": 50,
        "reasoningTokens": 9, "batch": true});
    assert_eq!(cost(&parts), 700 * 1_000 + 100 * 50 + 200 * 1_250 + 50 * 5_000);
}
