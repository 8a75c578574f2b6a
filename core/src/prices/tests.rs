use serde_json::json;

use super::*;

fn table(json: &Value) -> PriceTable {
    PriceTable::parse("p.json", json.to_string().as_bytes()).unwrap()
}

fn tokens(input: u64, output: u64) -> Tokens {
    Tokens { input, output, ..Tokens::default() }
}

#[test]
fn a_bill_is_rounded_once_and_half_a_nano_dollar_up() {
    let table = table(&json!({"m": {"input_cost_per_token": 2.5e-10, "output_cost_per_token": 2.4e-10}}));
    for (input, output, nanos) in [(1, 0, 0), (2, 0, 1), (1, 1, 0), (6, 0, 2), (0, 2, 0), (0, 3, 1), (4, 4, 2)] {
        assert_eq!(table.bill("m", &tokens(input, output)), Some(nanos), "{input} {output}");
    }
}

#[test]
fn prices_are_as_they_are_written_however_a_double_spells_them() {
    for (text, nanos) in [("3e-07", 300_000_000), ("3.0000000000000004e-07", 300_000_000), ("1.875e-08", 18_750_000)] {
        let table = PriceTable::parse("p", format!(r#"{{"m":{{"input_cost_per_token":{text}}}}}"#).as_bytes()).unwrap();
        assert_eq!(table.bill("m", &tokens(1_000_000, 0)), Some(nanos), "{text}");
    }
}

#[test]
fn a_price_that_is_not_named_is_that_of_the_whole() {
    let entry = json!({"input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06});
    let table = table(&json!({"m": entry}));
    let parts = Tokens { cached: 10, cache_write: 10, reasoning: 5, ..tokens(100, 10) };
    assert_eq!(table.bill("m", &parts), Some(100 * 2_000 + 10 * 8_000));
    assert_eq!(table.bill("m", &Tokens { is_batch: true, ..parts }), Some(100 * 2_000 + 10 * 8_000));
}

#[test]
fn parts_that_exceed_the_whole_are_charged_and_leave_nothing_of_it() {
    let entry =
        json!({"input_cost_per_token": 2e-06, "cache_read_input_token_cost": 1e-06, "output_cost_per_token": 8e-06});
    let table = table(&json!({"m": entry}));
    let parts = Tokens { cached: 100, reasoning: 9, ..tokens(10, 2) };
    assert_eq!(table.bill("m", &parts), Some(100 * 1_000 + 9 * 8_000));
}

#[test]
fn a_long_prompt_is_charged_at_its_own_rates_as_a_whole() {
    let table = table(&json!({"m": {
        "input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06, "cache_read_input_token_cost": 1e-07,
        "input_cost_per_token_batches": 5e-07, "output_cost_per_token_batches": 2e-06,
        "input_cost_per_token_above_128k_tokens": 2e-06, "output_cost_per_token_above_128k_tokens": 5e-06,
        "input_cost_per_token_above_200k_tokens": 3e-06, "cache_read_input_token_cost_above_200k_tokens": 4e-07,
    }}));
    let of = |input, cached, is_batch| table.bill("m", &Tokens { cached, is_batch, ..tokens(input, 10) }).unwrap();
    assert_eq!(of(128_000, 0, false), 128_000 * 1_000 + 10 * 4_000);
    assert_eq!(of(128_001, 1_000, false), 127_001 * 2_000 + 1_000 * 200 + 10 * 5_000, "a cached token in proportion");
    assert_eq!(of(200_001, 1_000, false), 199_001 * 3_000 + 1_000 * 400 + 10 * 4_000, "the output as at first");
    assert_eq!(of(200_001, 1_000, true), (199_001 * 3_000 + 1_000 * 400 + 10 * 4_000) / 2);
}

#[test]
fn a_model_is_known_by_its_name_or_by_what_follows_the_last_slash() {
    let table = table(&json!({
        "gpt-x": {"input_cost_per_token": 1e-06}, "azure/gpt-x": {"input_cost_per_token": 2e-06},
        "dall-e": {"output_cost_per_image": 0.04}, "sample_spec": {"input_cost_per_token": 0.0},
    }));
    let of = |model: &str| table.bill(model, &tokens(1, 0));
    assert_eq!(
        [of("gpt-x"), of("azure/gpt-x"), of("openai/gpt-x"), of("a/b/gpt-x")],
        [1_000, 2_000, 1_000, 1_000].map(Some)
    );
    assert_eq!([of("gpt-x-2026-01-01"), of("gpt"), of(""), of("dall-e"), of("sample_spec")], [None; 5]);
    assert_eq!((table.models(), table.left_out().count()), (2, 0));
}

#[test]
fn a_price_that_is_none_leaves_its_model_out_and_the_others_in() {
    let table = table(&json!({
        "a": {"input_cost_per_token": 1e-06}, "negative": {"input_cost_per_token": -1e-06}, "text": {"input_cost_per_token": "1e-06"},
        "per million": {"input_cost_per_token": 2.5}, "half": {"input_cost_per_token": 1e-06, "output_cost_per_token": "?"}, "list": [],
    }));
    assert_eq!(table.models(), 1);
    assert_eq!(table.left_out().collect::<Vec<_>>(), ["half", "list", "negative", "per million", "text"]);
}

#[test]
fn what_is_no_table_is_refused_with_what_to_do() {
    let refused = |json: &str| PriceTable::parse("p", json.as_bytes()).unwrap_err().to_string();
    assert!(refused("[]").contains("not a JSON object"));
    assert!(refused("{}").contains("model_prices_and_context_window.json"));
    assert!(refused(r#"{"m": {"input_cost_per_token": 3}}"#).contains("from 0 to 1"));
    assert!(refused(&" ".repeat(MAX_PRICE_TABLE_BYTES + 1)).contains("at most 16777216"));
}

#[test]
fn a_table_is_named_after_its_file_and_its_content() {
    let of = |name: &str, json: &str| PriceTable::parse(name, json.as_bytes()).unwrap().id().to_string();
    let (one, other) = (r#"{"m":{"input_cost_per_token":0}}"#, r#"{"m":{"input_cost_per_token":0.1}}"#);
    assert!(of("prices/december.v2.json", one).starts_with("december-"));
    assert_eq!(of("december.json", one), of("/tmp/december.json", one));
    assert_ne!(of("december.json", one), of("december.json", other));
    assert!(of(&"x".repeat(300), one).len() <= crate::limits::MAX_PRICED_BY_BYTES);
    assert!(of(&"é".repeat(300), one).chars().count() <= 49);
}

#[test]
fn a_bill_beyond_what_an_event_may_cost_is_none() {
    let table = table(&json!({"m": {"input_cost_per_token": 1.0}}));
    assert_eq!(table.bill("m", &tokens(1_000_000, 0)), Some(1_000_000_000_000_000));
    assert_eq!(table.bill("m", &tokens(1_000_001, 0)), None);
}

#[test]
fn the_shipped_table_is_whole() {
    let shipped = PriceTable::shipped();
    assert_eq!((&**shipped.id(), shipped.left_out().count()), (SHIPPED_ID, 0));
    assert!(shipped.models() > 50);
    for model in ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "amazon.nova-pro-v1:0"] {
        assert!(shipped.bill(model, &tokens(1, 1)).is_some(), "{model}");
    }
}
