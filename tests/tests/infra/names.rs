//! What alarms and the dashboard watch: metrics of ours that exist, and AWS's under the names that AWS gives them.

use headcount_local::aws_names;
use headcount_runtime::telemetry;
use serde_json::{Value, json};

use crate::scripts::root;
use crate::template::Expanded;

#[test]
fn every_alarm_is_heard() {
    let template = Expanded::new();
    for (name, alarm) in template.all("AWS::CloudWatch::Alarm") {
        assert_eq!(alarm["AlarmActions"], json!([{"Ref": "AlarmTopic"}]), "{name}");
        assert!(alarm["TreatMissingData"].is_string(), "{name} does not say what silence means");
    }
}

#[test]
fn what_watches_our_own_metrics_names_those_that_exist() {
    let template = Expanded::new();
    let known = telemetry::METRICS.map(|(name, _)| name);
    let alarm = template.properties("RejectedShare")["Metrics"].as_array().expect("metrics");
    let metrics: Vec<_> = alarm.iter().filter_map(|one| one["MetricStat"].get("Metric")).collect();
    assert_eq!(metrics.len(), 3, "the others are expressions");
    for metric in metrics {
        assert_eq!(metric["Namespace"], telemetry::NAMESPACE);
        assert!(known.contains(&metric["MetricName"].as_str().expect("a name")), "{metric}");
        assert_eq!(metric["Dimensions"], json!([{"Name": telemetry::PROJECT, "Value": {"Ref": "ProjectName"}}]));
    }
    let body = template.properties("Dashboard")["DashboardBody"]["Fn::Sub"].as_str().expect("a text");
    let body: Value = serde_json::from_str(body).expect("the dashboard is JSON");
    let mut shown = 0;
    let widgets = body["widgets"].as_array().expect("widgets").iter();
    for metric in widgets.flat_map(|widget| widget["properties"]["metrics"].as_array().expect("metrics")) {
        if metric[0] == telemetry::NAMESPACE {
            assert!(known.contains(&metric[1].as_str().expect("a name")), "{metric}");
            shown += 1;
        }
    }
    assert!(shown > 10, "{shown} of our metrics are shown");
    let document = std::fs::read_to_string(root().join("docs/aws.md")).expect("the document is there");
    for name in known {
        assert!(document.contains(&format!("`{name}`")), "docs/aws.md does not explain the metric {name}");
    }
}

/// Namespace, name, dimensions and statistic of each metric that an alarm or the dashboard names.
fn watched(template: &Expanded) -> Vec<(String, String, Vec<String>, Option<String>)> {
    let mut watched = Vec::new();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut add = |metric: &Value, statistic: &Value| {
        let mut dimensions: Vec<_> =
            metric["Dimensions"].as_array().expect("dimensions").iter().map(|one| text(&one["Name"])).collect();
        dimensions.sort();
        watched.push((text(&metric["Namespace"]), text(&metric["MetricName"]), dimensions, Some(text(statistic))));
    };
    for (_, alarm) in template.all("AWS::CloudWatch::Alarm") {
        match alarm["Metrics"].as_array() {
            None => add(alarm, &alarm["Statistic"]),
            Some(all) => {
                for one in all.iter().filter(|one| one["MetricStat"].is_object()) {
                    add(&one["MetricStat"]["Metric"], &one["MetricStat"]["Stat"]);
                }
            }
        }
    }
    let body = template.properties("Dashboard")["DashboardBody"]["Fn::Sub"].as_str().expect("a text");
    let body: Value = serde_json::from_str(body).expect("the dashboard is JSON");
    for widget in body["widgets"].as_array().expect("widgets") {
        for metric in widget["properties"]["metrics"].as_array().expect("metrics") {
            let words: Vec<_> = metric.as_array().expect("a metric").iter().map_while(Value::as_str).collect();
            if let [namespace, name, dimensions @ ..] = &words[..] {
                let mut names: Vec<_> = dimensions.iter().step_by(2).map(|name| (*name).to_owned()).collect();
                names.sort();
                let statistic = widget["properties"]["stat"].as_str().map(str::to_owned);
                watched.push(((*namespace).to_owned(), (*name).to_owned(), names, statistic));
            }
        }
    }
    watched
}

#[test]
fn metrics_of_aws_have_the_names_dimensions_and_statistics_that_aws_gives_them() {
    let watched = watched(&Expanded::new());
    assert!(watched.len() > 30, "{watched:#?}");
    for (namespace, name, dimensions, statistic) in watched.iter().filter(|one| one.0.starts_with("AWS/")) {
        let known = aws_names::METRICS.iter().find(|known| known.namespace == namespace && known.name == name);
        let known = known.unwrap_or_else(|| panic!("{namespace} {name} is not in the table of AWS's names"));
        let is_published = known.dimensions.iter().any(|published| published == dimensions);
        assert!(is_published, "{namespace} {name} is not published by {dimensions:?}");
        let statistic = statistic.as_deref().expect("a statistic");
        assert!(aws_names::has(&aws_names::STATISTICS, statistic), "{namespace} {name}: {statistic}");
    }
}

#[test]
fn every_metric_in_the_table_of_names_is_watched() {
    let watched = watched(&Expanded::new());
    for known in aws_names::METRICS {
        assert!(watched.iter().any(|one| one.0 == known.namespace && one.1 == known.name), "{known:?}");
    }
}
