//! What is generated, as the domain's own rules see it.

use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, MAX_EARLINESS_MS};
use headcount_core::origin::Source;
use headcount_core::record::OpenedRecord;
use headcount_core::validate::{Arrival, Rules};

use super::super::options::MAX_DAYS;
use super::*;

/// The longest lateness that the longest window needs.
fn widest_rules() -> Rules {
    let lateness_ms = i64::from(MAX_DAYS + 1) * DAY_MS;
    Rules::new(Vec::new(), Some(lateness_ms), MAX_EARLINESS_MS, IpPolicy::Keep).unwrap()
}

fn arrival() -> Arrival {
    Arrival {
        source: Source::shard("events", None, "shardId-000000000000").unwrap(),
        sequence: 1.into(),
        arrived_ms: END_MS,
    }
}

#[test]
fn each_line_is_accepted_or_rejected_as_it_says() {
    let options = GeneratorOptions { invalid_rate: 0.2, ..options(6_000, 14) };
    for (rules, name) in [(Rules::default(), "default"), (widest_rules(), "widest")] {
        for line in lines(&options) {
            let opened = OpenedRecord::open(line.json.as_bytes());
            let decoded = opened.decode(&arrival(), &rules);
            let context = || format!("{name} rules, {:?}: {}\n{:?}", line.kind, line.json, decoded.rejections);
            let accepted = !matches!(line.kind, Kind::Invalid(_));
            assert_eq!(decoded.events.len(), usize::from(accepted), "{}", context());
            let rejected: u64 = decoded.rejections.iter().map(|(_, rejection)| rejection.count).sum();
            assert_eq!(rejected, u64::from(!accepted), "{}", context());
            assert_eq!(decoded.unknown_fields, 0, "{}", context());
        }
    }
}

#[test]
fn an_accepted_event_says_what_the_fact_says() {
    for line in lines(&options(6_000, 15)) {
        let Kind::Fresh(fact) = &line.kind else { continue };
        let opened = OpenedRecord::open(line.json.as_bytes());
        let decoded = opened.decode(&arrival(), &Rules::default());
        let event = &decoded.events[0].1;
        assert_eq!((&*event.user_id, event.session_id.as_deref()), (&*fact.user_id, Some(&*fact.session_id)));
        assert_eq!((event.timestamp_ms, event.platform().as_deref()), (line.timestamp_ms, Some(fact.platform)));
        assert_eq!(event.event_type.as_str(), fact.action.event_type());
        let names = [event.feature(), event.content_type(), event.model(), event.error_type()];
        let (expected, ai) = match fact.action {
            Action::PageView => ([None; 4], (0, 0)),
            Action::FeatureUse(feature) => ([Some(feature), None, None, None], (0, 0)),
            Action::ContentCreate(content) => ([None, Some(content), None, None], (0, 0)),
            Action::AiRequest { model, tokens, cost_nanos, .. } => {
                ([None, None, Some(model), None], (tokens, cost_nanos))
            }
            Action::Error(error) => ([None, None, None, Some(error)], (0, 0)),
        };
        assert_eq!(names.each_ref().map(Option::as_deref), expected, "{}", line.json);
        assert_eq!((event.ai_use().tokens, event.ai_use().cost_nanos), ai, "{}", line.json);
    }
}

#[test]
fn many_lines_in_one_record_come_out_the_same() {
    let lines = lines(&GeneratorOptions { invalid_rate: 0.02, ..options(3_000, 16) });
    let text: Vec<&str> = lines.iter().map(|line| &*line.json).collect();
    let data = text.join("\n");
    let opened = OpenedRecord::open(data.as_bytes());
    let decoded = opened.decode(&arrival(), &Rules::default());
    let invalid = lines.iter().filter(|line| matches!(line.kind, Kind::Invalid(_))).count();
    assert_eq!(decoded.events.len(), lines.len() - invalid);
    assert_eq!(decoded.rejections.iter().map(|(_, rejection)| rejection.count).sum::<u64>(), invalid as u64);
}
