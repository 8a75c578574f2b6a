use super::*;
use proptest::prelude::*;
use serde_json::json;

const POLICIES: [IpPolicy; 3] = [IpPolicy::Keep, IpPolicy::Truncate, IpPolicy::Drop];

#[test]
fn names_are_parsed_and_printed() {
    for policy in POLICIES {
        assert_eq!(policy.to_string().parse(), Ok(policy));
    }
    let error = "Keep it".parse::<IpPolicy>().unwrap_err();
    assert_eq!(error.to_string(), "\"Keep it\" is no policy for addresses: use keep, truncate or drop");
}

#[test]
fn truncates_to_the_network() {
    for (address, network) in [
        ("203.0.113.77", Some("203.0.113.0")),
        (" 203.0.113.77 ", Some("203.0.113.0")),
        ("203.0.113.77:8080", Some("203.0.113.0")),
        ("2001:db8:1234:5678:9abc::1", Some("2001:db8:1234::")),
        ("[2001:db8:1:2::3]:443", Some("2001:db8:1::")),
        ("[2001:db8:1:2::3]", Some("2001:db8:1::")),
        ("fe80::1%eth0", Some("fe80::")),
        ("::1", Some("::")),
        ("::ffff:203.0.113.77", Some("203.0.113.0")),
        ("::ffff:cb00:714d", Some("203.0.113.0")),
        ("203.0.113", None),
        ("203.0.113.777", None),
        ("unknown", None),
        ("", None),
    ] {
        assert_eq!(IpPolicy::Truncate.apply(address).as_deref(), network, "{address}");
        assert_eq!(IpPolicy::Keep.apply(address).as_deref(), Some(address));
        assert_eq!(IpPolicy::Drop.apply(address), None);
    }
}

#[test]
fn json_payloads_are_redacted_at_any_depth() {
    let payload = json!({
        "metadata": { "ipAddress": "203.0.113.77", "userAgent": "Chrome/120.0.0.1", "platform": "web" },
        "eventData": { "list": [{ "ip_address": "2001:db8::9" }, "198.51.100.4", "1.2.3"], "IPAddress": "no idea" },
        "ipAddress": 3_405_803_853u32,
        "IP-ADDRESS": ["203.0.113.77"],
        "more": { "ipAddress": null },
    });
    let redacted = |policy: IpPolicy| serde_json::from_str::<Value>(&policy.redact_text(&payload.to_string())).unwrap();
    assert_eq!(redacted(IpPolicy::Keep), payload);
    let with = |v4: &str, v6: &str, other_v4: &str| {
        json!({
            "metadata": { "ipAddress": v4, "userAgent": "Chrome/120.0.0.1", "platform": "web" },
            "eventData": { "list": [{ "ip_address": v6 }, other_v4, "1.2.3"], "IPAddress": WITHHELD },
            "ipAddress": WITHHELD,
            "IP-ADDRESS": WITHHELD,
            "more": { "ipAddress": null },
        })
    };
    assert_eq!(redacted(IpPolicy::Truncate), with("203.0.113.0", "2001:db8::", "198.51.100.0"));
    assert_eq!(redacted(IpPolicy::Drop), with(WITHHELD, WITHHELD, WITHHELD));
}

#[test]
fn other_text_loses_what_looks_like_an_address() {
    for (text, truncated, dropped) in [
        (r#"{"ipAddress":"203.0.113.77","#, r#"{"ipAddress":"203.0.113.0","#, r#"{"ipAddress":"(withheld)","#),
        ("from 203.0.113.77:80.", "from 203.0.113.0:80.", "from (withheld):80."),
        ("{ip:2001:db8:1:2::3}", "{ip:2001:db8:1::}", "{ip:(withheld)}"),
        ("at 2001:db8:1:2::3.", "at 2001:db8:1::.", "at (withheld)."),
        ("face203.0.113.77", "face203.0.113.0", "face(withheld)"),
        ("1.2.3.4.5", "(withheld)", "(withheld)"),
        ("12:30:45.5, 1.2.3", "12:30:45.5, 1.2.3", "12:30:45.5, 1.2.3"),
        ("9:2001:db8::1::", "(withheld)", "(withheld)"),
        ("é::ba-x", "é::-x", "é(withheld)-x"),
    ] {
        assert_eq!(IpPolicy::Keep.redact_text(text), text);
        assert_eq!(IpPolicy::Truncate.redact_text(text), truncated);
        assert_eq!(IpPolicy::Drop.redact_text(text), dropped);
    }
}

proptest! {
    #[test]
    fn no_address_survives_in_any_text(before in "[^0-9a-fA-F.:]{0,9}", ip in any::<[u8; 4]>(), v6 in any::<[u16; 8]>(), after in "[^0-9a-fA-F.:]{0,9}") {
        let (v4, v6) = (Ipv4Addr::from(ip).to_string(), Ipv6Addr::from(v6).to_string());
        for address in [v4, v6] {
            let text = format!("!{before}{address}{after}");
            prop_assert_eq!(IpPolicy::Drop.redact_text(&text), format!("!{before}{WITHHELD}{after}"));
        }
    }

    #[test]
    fn any_text_is_redacted_without_a_panic(text in ".{0,60}", dots in "[0-9a-f.:]{0,40}") {
        for policy in POLICIES {
            policy.redact_text(&text);
            policy.redact_text(&format!("{text}{dots}"));
        }
    }

    #[test]
    fn truncating_twice_is_truncating_once(v6 in any::<[u16; 8]>(), ip in any::<[u8; 4]>()) {
        for address in [Ipv6Addr::from(v6).to_string(), Ipv4Addr::from(ip).to_string()] {
            let once = IpPolicy::Truncate.apply(&address).unwrap();
            prop_assert_eq!(IpPolicy::Truncate.apply(&once), Some(once));
        }
    }
}
