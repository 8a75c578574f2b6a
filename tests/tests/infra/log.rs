//! The log on S3, as a server that nobody here wrote speaks it: the contract of `log/tests/contract`, case by case.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use headcount_log::s3;
use object_store::ObjectStore;

use crate::scripts::create_bucket;
use crate::stand_in::StandIn;
use cases::Subject;

#[path = "../../../log/tests/contract/cases.rs"]
mod cases;
#[path = "../../../log/tests/samples/mod.rs"]
mod samples;

const BUCKET: &str = "headcount-log";

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_its_contract_on_s3() {
    let stand_in = StandIn::start();
    create_bucket(&stand_in.endpoint, BUCKET);
    let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"));
    let bucket: Arc<dyn ObjectStore> =
        s3::of(BUCKET, credentials, Some("us-east-1".into()), Some(stand_in.endpoint.clone())).unwrap();
    cases::one_of_many_creates(Subject::of(&bucket, "one of many")).await;
    cases::listings_are_in_order(Subject::of(&bucket, "listings")).await;
    cases::parts_are_read_alone(Subject::of(&bucket, "parts")).await;
    cases::damage_is_named(Subject::of(&bucket, "damage")).await;
    cases::sources_are_found(Subject::of(&bucket, "sources")).await;
    cases::heads_are_kept(Subject::of(&bucket, "heads")).await;
    cases::a_log_has_one_deployment(Subject::of(&bucket, "deployment")).await;
    cases::entries_expire(Subject::of(&bucket, "expiry")).await;
}
