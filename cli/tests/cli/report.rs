//! `headcount report`: figures of a file, under the rules of a deployment.

use serde_json::Value;

use super::*;

/// Features that come before the one that is used most: more than are counted exactly.
const JUNK: usize = 150;

/// Events of the user `test`, one for each feature, and as many of `undefined` for the one that is used most.
fn written(name: &str) -> PathBuf {
    let event = |user: &str, feature: &str, n: usize| {
        format!(
            r#"{{"eventId":"{user}-{n}","userId":"{user}","sessionId":"s","eventType":"feature_use","timestamp":{},"eventData":{{"feature":"{feature}"}},"metadata":{{"userAgent":"a","ipAddress":"192.0.2.1","platform":"web"}}}}"#,
            1_772_452_800_000 + n
        )
    };
    let junk = (0..JUNK).map(|n| event("test", &format!("junk-{n}"), n));
    let most = (0..JUNK).map(|n| event("undefined", "search", n));
    let path = scratch(name);
    std::fs::write(&path, junk.chain(most).collect::<Vec<_>>().join("\n")).unwrap();
    path
}

/// The total of a report under these ids that name nobody.
fn total(path: &str, variable: Option<&str>, option: &[&str]) -> Value {
    let mut command = headcount(&["report", path, "--json"]);
    command.args(option).env_remove("PLACEHOLDER_IDS").envs(variable.map(|ids| ("PLACEHOLDER_IDS", ids)));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    answer["total"].clone()
}

#[test]
fn events_without_a_user_are_those_of_the_configured_placeholders() {
    let path = written("placeholders.ndjson");
    let path = path.to_str().unwrap();
    let found = |variable, option: &[&str]| {
        let total = total(path, variable, option);
        (total["eventsWithoutUser"].as_u64().unwrap(), total["activeUsers"].as_u64().unwrap())
    };
    let all = JUNK as u64;
    assert_eq!(found(None, &[]), (all, 1), "the built-in list");
    assert_eq!(found(Some(" "), &[]), (all, 1), "nothing is set");
    assert_eq!(found(Some("test,undefined"), &[]), (2 * all, 0));
    assert_eq!(found(Some("test,undefined"), &["--placeholder-ids", "other"]), (0, 2), "the option goes first");
    assert_eq!(found(Some(","), &[]), (0, 2), "no placeholders at all");
}

#[test]
fn the_most_used_name_is_listed_behind_junk_with_its_exact_count() {
    let path = written("junk.ndjson");
    let total = total(path.to_str().unwrap(), None, &[]);
    assert_eq!(
        (&total["featureUsage"]["search"], &total["estimate"]["namesApproximate"]),
        (&150.into(), &false.into())
    );
}
