//! Least privilege from both sides: what the path needs is allowed, and what is allowed is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use headcount_tests::iam::policy::Policy;
use headcount_tests::iam::proxy::Used;
use headcount_tests::iam::template::Template;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinSet;

use super::documents::{policies, policies_with_metrics_table};
use super::path::walk;
use super::world::{PRICE_TABLE, World};
use crate::scripts::ask;
use crate::stand_in::StandIn;
use crate::template::source;

/// Every function of the template, each table apart, so that each statement has resources of its own.
const PARAMETERS: [(&str, &str); 5] = [
    ("RetentionHours", "48"),
    ("ReadAccess", "token"),
    ("SeparateMetricsTable", "true"),
    ("WithCollector", "true"),
    ("PriceTable", PRICE_TABLE),
];

fn template(parameters: &[(&str, &str)]) -> Template {
    let expanded = ask("template.py", &["expand"], source().as_bytes());
    Template::new(expanded, parameters).expect("a template")
}

/// The roles of the template and the policies of people, `check` left out: it looks at a deployed stack.
fn principals(template: &Template, people: BTreeMap<String, Policy>) -> BTreeMap<String, Policy> {
    let mut principals = template.roles().expect("roles");
    principals.extend(people.into_iter().filter(|(command, _)| command != "check"));
    principals
}

/// Walks the path with these rights: what was used of them, or why it failed.
async fn run(
    others: &StandIn,
    template: &Template,
    principals: BTreeMap<String, Policy>,
) -> Result<BTreeSet<Used>, String> {
    let world = World::start(others, template, principals).await.expect("the stack starts");
    let walked = walk(&world).await;
    walked.map(|()| world.proxy.used()).map_err(|error| format!("{error:#}"))
}

/// Walks at the same time, each with a stand-in of its own.
const AT_ONCE: usize = 3;

/// What the embedded table does not know; `people` shows it on another stand-in.
const SHOWN_ELSEWHERE: (&str, &str) = ("init", "dynamodb:UpdateContinuousBackups");

/// Each action that a policy allows: principal, statement, action.
fn allowed(principals: &BTreeMap<String, Policy>) -> BTreeSet<(String, String, String)> {
    let mut allowed = BTreeSet::new();
    for (principal, policy) in principals {
        for statement in &policy.statements {
            let actions = statement.actions.iter().filter(|action| (&**principal, &***action) != SHOWN_ELSEWHERE);
            allowed.extend(actions.map(|action| (principal.clone(), statement.sid.clone(), action.clone())));
        }
    }
    allowed
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_path_is_allowed_and_each_right_is_used() {
    let others = StandIn::start();
    let template = template(&PARAMETERS);
    let principals = principals(&template, policies_with_metrics_table());
    let used = run(&others, &template, principals.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    for one in &used {
        println!("{:<16} {:<40} {}", one.principal, one.action, one.resource);
    }
    for (principal, policy) in &principals {
        for statement in &policy.statements {
            let of_it = used.iter().filter(|one| one.principal == *principal && one.sid == statement.sid);
            let unused = statement.unused_resources(&of_it.map(|one| one.resource.as_str()).collect::<Vec<_>>());
            assert!(unused.is_empty(), "{principal}: nothing of {} reaches {unused:?}", statement.sid);
        }
    }
    let was_used: BTreeSet<_> = used.into_iter().map(|one| (one.principal, one.sid, one.action)).collect();
    let unused: Vec<_> = allowed(&principals).difference(&was_used).cloned().collect();
    assert!(unused.is_empty(), "nothing uses these rights: {unused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_path_is_allowed_with_one_table_and_the_policies_of_the_document_as_they_are() {
    let others = StandIn::start();
    let one_table: Vec<_> = PARAMETERS.into_iter().filter(|(name, _)| *name != "SeparateMetricsTable").collect();
    let template = template(&one_table);
    let principals = principals(&template, policies());
    run(&others, &template, principals).await.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_rights_the_path_fails() {
    let started = Instant::now();
    let template = Arc::new(template(&PARAMETERS));
    let principals = Arc::new(principals(&template, policies_with_metrics_table()));
    let left = Arc::new(Mutex::new(allowed(&principals)));
    let mut walking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (template, principals, left) = (template.clone(), principals.clone(), left.clone());
        walking.spawn(async move {
            let others = StandIn::start();
            let next = || left.lock().pop_first();
            while let Some((principal, sid, action)) = next() {
                let mut fewer = (*principals).clone();
                let policy = fewer[&principal].without(&sid, &action);
                fewer.insert(principal.clone(), policy);
                let failed = run(&others, &template, fewer).await;
                let why = failed.expect_err(&format!("{principal} does without {action} of {sid}"));
                assert!(why.contains(&action), "{principal} without {action} of {sid}: {why}");
                println!("{principal:<16} {sid:<20} without {action:<34} {}", why.lines().next().unwrap_or_default());
            }
        });
    }
    while let Some(walked) = walking.join_next().await {
        walked.expect("each walk fails for want of its right");
    }
    println!("{:?}", started.elapsed());
}

#[test]
fn what_is_not_in_the_template_is_no_right() {
    let expanded: Value = ask("template.py", &["expand"], source().as_bytes());
    let roles = Template::new(expanded, &[]).expect("a template").roles().expect("roles");
    assert_eq!(roles.keys().collect::<Vec<_>>(), ["AggregatorRole", "ConsumerRole", "ProverRole", "ScheduleRole"]);
}
