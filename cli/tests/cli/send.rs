//! `headcount send`, into an embedded stream.

use headcount_local::clients;
use headcount_local::stream::{Stream, StreamOptions};

use super::*;

/// What a stream holds, all shards together, as text.
async fn records(stream: &Stream) -> Vec<(String, String)> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let mut found: Vec<_> = keyed_records(stream).await.into_iter().map(|(key, data)| (key, text(data))).collect();
    found.sort();
    found
}

async fn raw_records(stream: &Stream) -> Vec<Vec<u8>> {
    keyed_records(stream).await.into_iter().map(|(_, data)| data).collect()
}

/// What a stream holds, all shards together.
async fn keyed_records(stream: &Stream) -> Vec<(String, Vec<u8>)> {
    let client = clients::kinesis(&stream.endpoint());
    let mut found = Vec::new();
    let shards = client.list_shards().stream_name(stream.name()).send().await.unwrap();
    for shard in shards.shards() {
        let start = client.get_shard_iterator().stream_name(stream.name()).shard_id(shard.shard_id());
        let start = start.shard_iterator_type(aws_sdk_kinesis::types::ShardIteratorType::TrimHorizon);
        let mut iterator = start.send().await.unwrap().shard_iterator;
        while let Some(at) = iterator {
            let page = client.get_records().shard_iterator(at).send().await.unwrap();
            let is_empty = page.records.is_empty();
            let entry =
                |put: aws_sdk_kinesis::types::Record| (put.partition_key.unwrap_or_default(), put.data.into_inner());
            found.extend(page.records.into_iter().map(entry));
            iterator = page.next_shard_iterator.filter(|_| !is_empty);
        }
    }
    found
}

async fn send(stream: &Stream, input: &'static str, args: &[&str]) -> Output {
    let args: Vec<String> = ["send", "--local", "--kinesis-endpoint", &stream.endpoint(), "--stream", stream.name()]
        .iter()
        .chain(args)
        .map(|arg| (*arg).to_owned())
        .collect();
    let run = move || run_with(input, &args.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_become_records_and_bad_ones_are_named() {
    let stream = Stream::start(StreamOptions::new("clicks", 2)).await.unwrap();
    let input = "{\"userId\":\"ann\",\"eventId\":\"e1\",\"timestamp\":5}\nnonsense\n\n{\"userId\":\"bob\"}\n{\"a\":\n";
    let output = send(&stream, input, &["--json"]).await;
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("line 2: no JSON") && text.contains("line 5: no JSON"), "{text}");
    assert!(!text.contains("nonsense") && !text.contains("ann"), "nobody's data is shown: {text}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let wanted = serde_json::json!({
        "lines": 5, "blank": 1, "sent": 2, "identified": 1, "refused": {"NotJson": 2}, "interrupted": false
    });
    assert_eq!(summary, wanted);
    let put = records(&stream).await;
    assert_eq!(put.len(), 2);
    assert_eq!(put[0], ("ann".into(), "{\"userId\":\"ann\",\"eventId\":\"e1\",\"timestamp\":5}".into()));
    assert_eq!(put[1].0, "bob");
    let event: serde_json::Value = serde_json::from_str(&put[1].1).unwrap();
    assert!(event["eventId"].is_string() && event["timestamp"].is_u64(), "{event}");
    stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_file_arrives() {
    let stream = Stream::start(StreamOptions::new("clicks", 3)).await.unwrap();
    let path = scratch("events.ndjson");
    let lines: Vec<String> = (0..1_700).map(|n| format!("{{\"userId\":\"u{n}\",\"eventId\":\"e{n}\"}}")).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let output = send(&stream, "", &[path.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("sent"), "{}", stdout(&output));
    let mut put: Vec<String> = records(&stream).await.into_iter().map(|(_, data)| data).collect();
    let mut wanted = lines;
    put.sort();
    wanted.sort();
    assert_eq!(put, wanted);
    std::fs::remove_file(path).unwrap();
    stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_run_goes_on_where_the_first_one_stopped_with_the_same_events() {
    let stream = Stream::start(StreamOptions::new("clicks", 2)).await.unwrap();
    let (path, resume) = (scratch("resumed.ndjson"), scratch("resume.json"));
    let _ = std::fs::remove_file(&resume);
    let lines: Vec<String> = (0..1_200).map(|n| format!("{{\"userId\":\"u{n}\"}}\n")).collect();
    std::fs::write(&path, lines.concat()).unwrap();
    let args = [path.to_str().unwrap(), "--json", "--resume", resume.to_str().unwrap()];
    let summary = |output: Output| serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    let first = summary(send(&stream, "", &args).await);
    assert_eq!((&first["sent"], &first["resumed"]), (&1_200.into(), &serde_json::Value::Null));
    let whole = std::fs::read_to_string(&resume).unwrap();
    let again = summary(send(&stream, "", &args).await);
    assert_eq!((&again["sent"], &again["resumed"]), (&0.into(), &1_200.into()));

    // As after a kill: what was written last lies behind what the stream has. What is sent again are the same events.
    let digest = |lines: &[String]| format!("{:032x}", headcount_core::hash::hash128(lines.concat().as_bytes()));
    let earlier = whole.replace("\"lines\":1200", "\"lines\":500").replace(&digest(&lines), &digest(&lines[..500]));
    assert_ne!(earlier, whole);
    std::fs::write(&resume, earlier).unwrap();
    let again = summary(send(&stream, "", &[&args[..], &["--pack"]].concat()).await);
    assert_eq!((&again["sent"], &again["resumed"]), (&700.into(), &500.into()));
    let mut ids = std::collections::BTreeSet::new();
    for shard in raw_records(&stream).await {
        let plain = headcount_core::wire::decompress(&shard).unwrap().into_owned();
        for line in String::from_utf8(plain).unwrap().lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            ids.insert((event["eventId"].to_string(), event["timestamp"].to_string()));
        }
    }
    assert_eq!(ids.len(), 1_200, "each line has one identity");

    std::fs::write(&path, lines.concat().replace("u7\"", "u8\"")).unwrap();
    let output = send(&stream, "", &args[..1].iter().chain(&args[2..]).copied().collect::<Vec<_>>()).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the input is not the one"), "{}", stderr(&output));
    std::fs::remove_file(path).unwrap();
    std::fs::remove_file(resume).unwrap();
    stream.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_there_is_one_line() {
    let stream = Stream::start(StreamOptions::new("clicks", 1)).await.unwrap();
    let output = send(&stream, "{}\n", &["--stream", "others"]).await;
    // The option is given twice: the command line is wrong, not the stream.
    assert_eq!(output.status.code(), Some(2));
    let endpoint = stream.endpoint();
    let args = move || run_with("{}\n", &["send", "--local", "--kinesis-endpoint", &endpoint, "--stream", "others"]);
    let output = tokio::task::spawn_blocking(args).await.unwrap();
    assert_one_line(&output, &["the stream others does not exist", "--stream"]);
    stream.stop().await;
}

#[test]
fn what_cannot_be_reached_or_read_is_one_line() {
    let endpoint = nothing_there();
    let output = run_with("{}\n", &["send", "--local", "--kinesis-endpoint", &endpoint]);
    assert_one_line(&output, &[&endpoint, "check the endpoint"]);
    let output = run(&["send", "--local", "--kinesis-endpoint", &endpoint, "no/such/file"]);
    assert_one_line(&output, &["no/such/file cannot be read"]);
    let output = run(&["send", "--local", "--kinesis-endpoint", &endpoint, "--failed", "no/such/file"]);
    assert_one_line(&output, &["no/such/file cannot be written", "--failed"]);
}

#[test]
fn without_region_or_credentials_it_says_what_is_missing() {
    assert_one_line(&run(&["send"]), &["no AWS region", "--region", "--local"]);
    let output = run(&["send", "--region", "eu-west-1", "--kinesis-endpoint", &nothing_there()]);
    assert_one_line(&output, &["no usable AWS credentials", "AWS_ACCESS_KEY_ID"]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_finishes_what_was_begun_and_ends_with_130() {
    let stream = Stream::start(StreamOptions::new("clicks", 1)).await.unwrap();
    let args = ["send", "--local", "--kinesis-endpoint", &stream.endpoint(), "--stream", "clicks"];
    let mut child =
        headcount(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // 500 lines fill a request: when they have arrived, it reads on and waits for more.
    input.write_all(&b"{\"userId\":\"u\"}\n".repeat(501)).unwrap();
    while records(&stream).await.len() < 500 {
        tokio::task::yield_now().await;
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("interrupted after line"), "{}", stderr(&output));
    let sent = records(&stream).await.len();
    let counted = stdout(&output)
        .lines()
        .find(|line| line.starts_with("sent"))
        .and_then(|line| line.split(' ').next_back().map(str::to_owned));
    assert_eq!(counted, Some(sent.to_string()), "{}", stdout(&output));
    drop(input);
    stream.stop().await;
}
