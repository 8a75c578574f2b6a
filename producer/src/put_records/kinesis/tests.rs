use super::*;

fn stream() -> KinesisStream {
    let config =
        aws_sdk_kinesis::Config::builder().behavior_version(aws_sdk_kinesis::config::BehaviorVersion::latest()).build();
    KinesisStream::new(&Client::from_conf(config), "clicks", "http://127.0.0.1:1")
}

#[test]
fn what_may_pass_later_is_told_from_what_will_not() {
    let passing = [
        (Some("ProvisionedThroughputExceededException"), 400),
        (Some("LimitExceededException"), 400),
        (Some("ThrottlingException"), 400),
        (Some("InternalFailure"), 500),
        (None, 503),
        (None, 429),
    ];
    for (code, status) in passing {
        let sorted = stream().sort_refusal(code, None, status);
        assert!(matches!(&sorted, RequestError::Passing(reason) if !reason.is_empty()), "{code:?}: {sorted:?}");
    }
    let hopeless = [
        (Some("ResourceNotFoundException"), 400, "the stream clicks does not exist at http://127.0.0.1:1: create it"),
        (Some("AccessDeniedException"), 400, "kinesis:PutRecords"),
        (Some("ExpiredTokenException"), 400, "have expired"),
        (Some("UnrecognizedClientException"), 400, "check the access key"),
        (Some("InvalidArgumentException"), 400, "InvalidArgumentException it said"),
        (None, 404, "check that the endpoint is one of Kinesis"),
    ];
    for (code, status, wanted) in hopeless {
        match stream().sort_refusal(code, Some("it said"), status) {
            RequestError::Final(problem) => assert!(problem.to_string().contains(wanted), "{code:?}: {problem}"),
            passing @ RequestError::Passing(_) => panic!("{code:?}: {passing:?}"),
        }
    }
}

#[test]
fn an_entry_is_accepted_only_with_a_sequence_number() {
    let entry = PutRecordsResultEntry::builder();
    let accepted = of_entry(entry.clone().sequence_number("1").shard_id("shardId-000000000003").build());
    assert_eq!(accepted, Answer::Accepted("shardId-000000000003".into()));
    let refused =
        |code: &str, shard: Option<&str>| Answer::Refused { code: code.into(), shard: shard.map(str::to_owned) };
    assert_eq!(of_entry(entry.clone().error_code("InternalFailure").build()), refused("InternalFailure", None));
    let message = "Rate exceeded for shard shardId-000000000001 in stream clicks under account 111122223333.";
    let throttled = entry.clone().error_code("ProvisionedThroughputExceededException").error_message(message).build();
    let code = "ProvisionedThroughputExceededException";
    assert_eq!(of_entry(throttled), refused(code, Some("shardId-000000000001")));
    assert_eq!(of_entry(entry.build()), refused("NoSequenceNumber", None));
}
