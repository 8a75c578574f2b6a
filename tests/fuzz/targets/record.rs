//! A record's data in any form: plain, gzip, zstd, aggregated. Every event of it is valid, or rejected with a reason, and one
//! that is valid stays the same event when it is written and read again.

#![no_main]

use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{MAX_EVENTS_PER_RECORD, MAX_REJECTED_ITEMS_PER_RECORD};
use headcount_core::origin::Source;
use headcount_core::record::OpenedRecord;
use headcount_core::validate::{Arrival, Rules, validate};
use headcount_core::wire::to_json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let arrival = Arrival { source: Source::new("events", "shard"), sequence: 7.into(), arrived_ms: 1_772_323_200_000 };
    for policy in [IpPolicy::Keep, IpPolicy::Truncate] {
        let rules = Rules::new(Vec::new(), None, 60_000, policy).expect("rules");
        let opened = OpenedRecord::open(data);
        let decoded = opened.decode(&arrival, &rules);
        assert!(decoded.events.len() <= MAX_EVENTS_PER_RECORD);
        assert!(decoded.rejections.len() <= MAX_REJECTED_ITEMS_PER_RECORD + 1);
        assert!(decoded.rejections.iter().all(|(_, one)| !one.problems.is_empty() && one.count > 0));
        if policy == IpPolicy::Keep {
            for (index, event) in decoded.events {
                let line = to_json(&event);
                let again = validate(&line, &arrival, index, &rules).expect("it was valid");
                assert_eq!(again.event, event);
            }
        }
    }
});
