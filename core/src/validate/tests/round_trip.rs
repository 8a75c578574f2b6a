use super::*;
use crate::sanitize::tests::any_value;

proptest! {
    #[test]
    fn an_accepted_event_in_wire_form_is_accepted_as_it_is(
        user in "\\PC{1,20}", data in any_value(), more in any_value(), kind in 0..5usize, late in 0..DEFAULT_LATENESS_MS,
        truncate in any::<bool>(), has_id in any::<bool>(),
    ) {
        let policy = if truncate { IpPolicy::Truncate } else { IpPolicy::Keep };
        let rules = Rules::new(vec![], Some(DEFAULT_LATENESS_MS), 0, policy).unwrap();
        let event = event_with(json!({
            "eventId": has_id.then_some("e"), "userId": user, "eventType": EventType::BUILT_IN[kind].as_str(),
            "accountId": user, "timestamp": ARRIVED_MS - late, "eventData": { "a": data, "model": "m" },
            "metadata": { "userAgent": " x ", "ipAddress": "2001:db8:1:2::3", "platform": "web", "more": more },
        }));
        if let Ok(first) = validate(&event.to_string(), &arrival(), 0, &rules) {
            let line = to_json(&first.event);
            let again = validate(&line, &arrival(), 9, &rules);
            let wanted =
                Accepted { event: first.event, unknown_fields: 0, mended: 0, is_placeholder: false, tells_time: true };
            prop_assert_eq!(again, Ok(wanted));
        }
    }

    #[test]
    fn any_text_is_an_event_or_a_rejection(text in "\\PC{0,80}") {
        let braces = format!("{{{text}}}");
        for text in [text, braces] {
            if let Err(rejection) = validate(&text, &arrival(), 0, &Rules::default()) {
                prop_assert!(!rejection.problems.is_empty());
            }
        }
    }

    #[test]
    fn any_json_is_an_event_or_a_rejection(value in any_value(), name in prop::sample::select(vec!["eventId", "userId", "eventType", "timestamp", "eventData", "metadata"])) {
        let event = event_with(json!({ name: value }));
        if let Err(rejection) = validate(&event.to_string(), &arrival(), 0, &Rules::default()) {
            prop_assert!(!rejection.problems.is_empty());
        }
    }

    #[test]
    fn sanitized_json_never_outgrows_its_text(value in any_value()) {
        let text = event_with(json!({ "eventId": null, "eventData": { "a": value } })).to_string();
        if let Ok(taken) = validate(&text, &arrival(), 0, &Rules::default()) {
            prop_assert!(to_json(&taken.event).len() <= text.len() * MAX_GROWTH + MAX_ADDED_BYTES);
        }
    }
}
