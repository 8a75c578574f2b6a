//! Functions as processes. The function is this very test binary, which runs `a_function` alone when it is started with a
//! script in its environment.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use headcount_local::lambda::fleet::{Fleet, FleetOptions, InvokeError};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tokio::time::Instant;

/// What makes this binary a function, and how it begins.
const SCRIPT: &str = "HEADCOUNT_TEST_FUNCTION";

/// Longest wait.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_function() {
    match std::env::var(SCRIPT).as_deref() {
        Ok("run") => lambda_runtime::run(service_fn(handle)).await.unwrap(),
        Ok("hang") => std::future::pending().await,
        Ok("end") => {
            eprintln!("Error: the table's name is not set");
            std::process::exit(3);
        }
        _ => {}
    }
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    match event.payload["do"].as_str() {
        Some("hang") => std::future::pending().await,
        Some("end") => std::process::exit(4),
        Some("fail") => Err(Diagnostic { error_type: "Scripted".into(), error_message: "as it was told".into() }),
        Some("panic") => panic!("as it was told"),
        Some("much") => Ok("x".repeat(7 << 20).into()),
        // Goes on when as many processes have come here as it is told.
        Some("meet") => {
            let (folder, count) = (event.payload["folder"].as_str().unwrap(), event.payload["count"].as_u64().unwrap());
            std::fs::write(Path::new(folder).join(std::process::id().to_string()), "").unwrap();
            while (std::fs::read_dir(folder).unwrap().count() as u64) < count {
                tokio::task::yield_now().await;
            }
            Ok(json!(std::process::id()))
        }
        _ => Ok(json!({"process": std::process::id(), "event": event.payload, "id": event.context.request_id,
            "left": event.context.deadline, "name": event.context.env_config.function_name,
            "region": std::env::var("AWS_REGION").ok(), "home": std::env::var("HOME").ok()})),
    }
}

fn options(script: &str) -> FleetOptions {
    let mut options = FleetOptions::new("test", std::env::current_exe().unwrap());
    options.arguments = ["a_function", "--exact", "--nocapture"].map(str::to_owned).to_vec();
    options.environment = vec![(SCRIPT.to_owned(), script.to_owned()), ("RUST_LOG".to_owned(), "off".to_owned())];
    options.init_timeout = PATIENCE;
    options
}

async fn invoke(fleet: &Fleet, event: Value, limit: Duration) -> Result<Value, InvokeError> {
    let answer = fleet.invoke(event.to_string(), Instant::now() + limit).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

fn ids(fleet: &Fleet) -> Vec<u32> {
    fleet.processes().into_iter().map(|process| process.id).collect()
}

/// Whether a process of this id runs: a zombie does not count, nobody is to be found dead here.
fn runs(id: u32) -> bool {
    Command::new("kill").args(["-0", &id.to_string()]).output().unwrap().status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_started_reused_and_ended() {
    let fleet = Fleet::new(options("run"));
    assert_eq!(ids(&fleet), Vec::<u32>::new());
    let first = invoke(&fleet, json!({"n": 1}), PATIENCE).await.unwrap();
    let second = invoke(&fleet, json!({"n": 2}), PATIENCE).await.unwrap();
    assert_eq!((&first["event"]["n"], &second["event"]["n"]), (&json!(1), &json!(2)));
    assert_eq!(first["process"], second["process"], "the second finds it warm");
    assert_ne!(first["id"], second["id"]);
    assert_eq!((&first["name"], &first["region"], &first["home"]), (&json!("test"), &json!("us-east-1"), &Value::Null));
    let left = first["left"].as_i64().unwrap()
        - chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp_millis();
    assert!((1..=PATIENCE.as_millis() as i64).contains(&left), "{left} ms are left");
    let running = ids(&fleet);
    assert_eq!(first["process"], json!(running[0]));
    fleet.stop().await;
    assert!(ids(&fleet).is_empty() && !runs(running[0]));
    assert_eq!(invoke(&fleet, json!({}), PATIENCE).await, Err(InvokeError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_run_as_are_needed_and_no_more() {
    let fleet = Fleet::new(FleetOptions { most: 2, ..options("run") });
    let folder = tempfile::tempdir().unwrap();
    let meet = || invoke(&fleet, json!({"do": "meet", "folder": folder.path(), "count": 2}), PATIENCE);
    let (a, b, c, d) = tokio::join!(meet(), meet(), meet(), meet());
    let seen: BTreeSet<_> = [a, b, c, d].into_iter().map(|id| id.unwrap().as_u64().unwrap() as u32).collect();
    assert_eq!(seen, ids(&fleet).into_iter().collect(), "two at once, for all four");
    assert_eq!(seen.len(), 2);

    let hang = || invoke(&fleet, json!({"do": "hang"}), Duration::from_millis(1_500));
    let late = async {
        tokio::task::yield_now().await;
        invoke(&fleet, json!({}), Duration::from_millis(50)).await
    };
    let (one, other, late) = tokio::join!(hang(), hang(), late);
    assert!([one, other].iter().all(|hung| matches!(hung, Err(InvokeError::TimedOut { .. }))));
    assert_eq!(late, Err(InvokeError::Busy { most: 2 }));
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_leave_the_process_warm() {
    let fleet = Fleet::new(options("run"));
    let error = |error_type: &str, message: &str| {
        Err(InvokeError::Function { error_type: error_type.to_owned(), message: message.to_owned() })
    };
    assert_eq!(invoke(&fleet, json!({"do": "fail"}), PATIENCE).await, error("Scripted", "as it was told"));
    let panicked = invoke(&fleet, json!({"do": "panic"}), PATIENCE).await.unwrap_err().to_string();
    assert!(panicked.contains("as it was told"), "{panicked}");
    assert_eq!(invoke(&fleet, json!({"do": "much"}), PATIENCE).await, Err(InvokeError::ResponseTooLarge));
    let running = ids(&fleet);
    let after = invoke(&fleet, json!({}), PATIENCE).await.unwrap();
    assert_eq!(json!(running), json!([after["process"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_fails_its_invocation_and_another_takes_the_next() {
    let fleet = Fleet::new(options("run"));
    let died = invoke(&fleet, json!({"do": "end"}), PATIENCE).await.unwrap_err();
    assert!(matches!(&died, InvokeError::Died { detail } if detail.contains("exit status: 4")), "{died}");
    assert!(ids(&fleet).is_empty());
    let first = invoke(&fleet, json!({}), PATIENCE).await.unwrap();

    // Killed while it waits, and while it works.
    let id = ids(&fleet)[0];
    let kill = |id: u32| assert!(Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap().success());
    kill(id);
    let found_dead = invoke(&fleet, json!({}), PATIENCE).await;
    assert!(matches!(found_dead, Ok(_) | Err(InvokeError::Died { .. })), "{found_dead:?}");
    let second = invoke(&fleet, json!({}), PATIENCE).await.unwrap();
    assert_ne!(first["process"], second["process"]);
    let id = ids(&fleet)[0];
    let (died, ()) = tokio::join!(invoke(&fleet, json!({"do": "hang"}), PATIENCE), async { kill(id) });
    assert!(matches!(&died, Err(InvokeError::Died { detail }) if detail.contains("signal: 9")), "{died:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_time_is_up_is_killed() {
    let fleet = Fleet::new(options("run"));
    invoke(&fleet, json!({}), PATIENCE).await.unwrap();
    let id = ids(&fleet)[0];
    let late = invoke(&fleet, json!({"do": "hang"}), Duration::from_millis(200)).await.unwrap_err();
    assert!(late.to_string().contains("timed out"), "{late}");
    assert!(!runs(id) && ids(&fleet).is_empty());

    // So is one whose caller goes away.
    invoke(&fleet, json!({}), PATIENCE).await.unwrap();
    let id = ids(&fleet)[0];
    let given_up = tokio::time::timeout(Duration::from_millis(200), invoke(&fleet, json!({"do": "hang"}), PATIENCE));
    assert!(given_up.await.is_err());
    let started = Instant::now();
    while runs(id) {
        assert!(started.elapsed() < PATIENCE, "process {id} runs on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_start_fails_the_invocation_with_what_it_said() {
    let fleet = Fleet::new(options("end"));
    for _ in 0..2 {
        let error = invoke(&fleet, json!({}), PATIENCE).await.unwrap_err().to_string();
        assert!(error.contains("did not start") && error.contains("exit status: 3"), "{error}");
        assert!(error.contains("the table's name is not set"), "{error}");
    }
    let fleet = Fleet::new(FleetOptions { init_timeout: Duration::from_millis(300), ..options("hang") });
    let error = invoke(&fleet, json!({}), PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("within 300ms"), "{error}");
    assert!(ids(&fleet).is_empty());
    let fleet = Fleet::new(FleetOptions::new("test", "/no/such/program"));
    let error = invoke(&fleet, json!({}), PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("/no/such/program") && error.contains("was it built"), "{error}");
}
