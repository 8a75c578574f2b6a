//! The text of one event: what the short way through it accepts, the rules accept as well, with the same outcome.

#![no_main]

use headcount_core::event::Object;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::validate::{Accepted, Rules, mend, validate_new, validate_object};
use libfuzzer_sys::fuzz_target;

/// Now.
const NOW_MS: i64 = 1_772_323_200_000;

fuzz_target!(|data: &[u8]| {
    let Some((policy, text)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let policy = [IpPolicy::Keep, IpPolicy::Truncate, IpPolicy::Drop][usize::from(policy % 3)];
    let rules = Rules::new(vec!["signup".to_owned()], Some(604_800_000), 60_000, policy).expect("rules");
    let id = || "minted".to_owned();
    let Ok(by_text) = validate_new(text, NOW_MS, &rules, id) else { return };
    // A field may hold what no value holds, as a number without bounds: it is mended.
    let object: Object = serde_json::from_str(text)
        .unwrap_or_else(|_| serde_json::from_str(&mend(text).0).expect("a valid event is an object"));
    let by_rules = validate_object(object, NOW_MS, &rules, id).expect("an event that is valid by its text");
    // What was mended in the text is not seen in the object.
    assert_eq!(Accepted { mended: 0, ..by_text }, Accepted { mended: 0, ..by_rules });
});
