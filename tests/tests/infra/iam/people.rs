//! `headcount check` and `headcount init` by people who have the documented policies, against a stand-in that has what the
//! embedded stream and table lack: a deployed stack, and backups.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use headcount_tests::binaries;
use headcount_tests::iam::REGION;
use headcount_tests::iam::policy::Policy;
use headcount_tests::iam::proxy::Proxy;
use headcount_tests::iam::template::LOG_BUCKET;

use super::documents::policies;
use super::world::configuration;
use crate::deployed::Stack;
use crate::scripts::create_bucket;
use crate::stand_in::StandIn;

/// Longest wait for a record to be counted.
const PATIENCE: Duration = Duration::from_mins(5);

/// Runs `headcount` under a policy: whether nothing was refused, the actions it used, and what it said.
async fn run(
    stand_in: &StandIn,
    person: &str,
    policy: &Policy,
    arguments: &[&str],
) -> (bool, BTreeSet<String>, String) {
    let services = ["cloudformation", "dynamodb", "kinesis", "lambda", "s3"];
    let upstreams = services.map(|service| (service, stand_in.endpoint.clone())).into();
    let principals = BTreeMap::from([(person.to_owned(), policy.clone())]);
    let proxy = Proxy::start(upstreams, principals, Policy::default(), "test").await.expect("the proxy starts");
    let mut command = Command::new(binaries::folder().join("headcount"));
    // By a profile, so that it behaves as it does without another endpoint.
    let config = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(config.path(), configuration(&proxy.endpoint())).expect("it can be written");
    command.args(arguments).arg("--json").env("AWS_CONFIG_FILE", config.path()).env("AWS_REGION", REGION);
    command.env("AWS_ENDPOINT_URL_S3", proxy.endpoint());
    command.env("AWS_ACCESS_KEY_ID", person).env("AWS_SECRET_ACCESS_KEY", "secret").env_remove("AWS_PROFILE");
    let output = tokio::task::block_in_place(|| command.output()).expect("the command runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let refused = proxy.refused().borrow().clone();
    let used = proxy.used().into_iter().map(|one| one.action).collect();
    (refused.is_empty(), used, format!("{refused:#?}\n{said}"))
}

/// Shows that a policy is enough, and that nothing of it is too much.
async fn check(stand_in: &StandIn, person: &str, arguments: &[&str]) {
    let policy = &policies()[person];
    let (allowed, used, said) = run(stand_in, person, policy, arguments).await;
    assert!(allowed, "{said}");
    println!("{person}: {used:?}");
    for statement in &policy.statements {
        for action in &statement.actions {
            assert!(used.contains(action), "{person} does not need {action}\n{said}");
            let fewer = policy.without(&statement.sid, action);
            let (allowed, _, said) = run(stand_in, person, &fewer, arguments).await;
            assert!(!allowed, "{person} does without {action}\n{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_looks_at_a_deployed_stack_with_its_documented_policy() {
    let stack = tokio::task::block_in_place(|| {
        let stack = Stack::deploy_with(&["BatchWindowSeconds=0"]);
        // It looks at the load only once something was counted.
        stack.put(&[b"not an event".to_vec()]);
        stack.stand_in.wait_for_records(1, PATIENCE);
        stack
    });
    // The stand-in leaves expiry off, and `check` looks at the load only of a table that is as it should be.
    let (allowed, _, said) = run(&stack.stand_in, "init", &policies()["init"], &["init", "--fix"]).await;
    assert!(allowed, "{said}");
    check(&stack.stand_in, "check", &["check", "--stack", "headcount"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_a_stream_and_a_table_and_finds_the_log_with_its_documented_policy() {
    let stand_in = StandIn::start();
    create_bucket(&stand_in.endpoint, LOG_BUCKET);
    let (policy, log) = (&policies()["init"], format!("s3://{LOG_BUCKET}"));
    let init = ["init", "--retention-hours", "48", "--log", &log];
    let (allowed, used, said) = run(&stand_in, "init", policy, &init).await;
    assert!(allowed, "{said}");
    let all: BTreeSet<_> = policy.statements.iter().flat_map(|statement| statement.actions.clone()).collect();
    assert_eq!(used, all, "{said}");
}
