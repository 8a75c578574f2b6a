//! A collector of this process: what it is told, and its start and end.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use headcount_collector::config::{
    ALLOWED_ORIGINS, EVENT_TYPES, IP_POLICY, LATENESS_DAYS, PLACEHOLDER_IDS, SPAN_ATTRIBUTES, TRUSTED_PROXIES,
    WRITE_KEYS,
};
use headcount_collector::{Collector, RETRY_FOR, Settings};
use headcount_doors::{Body, Listener, Load};
use headcount_producer::{KinesisStream, Producer};
use http_body_util::Full;
use hyper::Request;
use tokio::net::TcpListener;

use crate::args::RuleArgs;
use crate::commands::PostingArgs;
use crate::failure::Failure;
use crate::web::limits;

/// Bytes of a file of write keys, at most.
const MAX_KEY_FILE_BYTES: u64 = 64 << 10;

/// How long the producer may take to end, once no request waits for it any more.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What the command line and the environment say of a collector.
pub(crate) fn settings(
    posting: &PostingArgs,
    rules: &RuleArgs,
    lateness_days: Option<i64>,
) -> Result<Settings, Failure> {
    let keys = posting.write_keys.as_deref().map(read_keys).transpose()?;
    let list = |given: &[String]| (!given.is_empty()).then(|| given.join(","));
    let given = |name: &str| match name {
        WRITE_KEYS => keys.clone(),
        ALLOWED_ORIGINS => list(&posting.allowed_origins),
        TRUSTED_PROXIES => list(&posting.trusted_proxies),
        EVENT_TYPES => rules.event_types.clone(),
        IP_POLICY => rules.ip_policy.map(|policy| policy.to_string()),
        PLACEHOLDER_IDS => rules.placeholder_ids.clone(),
        SPAN_ATTRIBUTES => posting.span_attributes.clone(),
        LATENESS_DAYS => lateness_days.map(|days| days.to_string()),
        _ => None,
    };
    let settings = Settings::read(|name| given(name).or_else(|| std::env::var(name).ok())).map_err(Failure::said)?;
    Ok(Settings { key_rate: NonZeroU32::new(posting.key_rate), ..settings })
}

/// The text of a file of keys. An empty one is a mistake, and not leave for everybody.
fn read_keys(path: &Path) -> Result<String, Failure> {
    let unreadable = |what: String| Failure::new(format!("{} {what}", path.display()), "check --write-keys");
    let size = std::fs::metadata(path).map_err(|error| unreadable(format!("cannot be read ({error})")))?.len();
    if size > MAX_KEY_FILE_BYTES {
        return Err(unreadable(format!("has {size} bytes: a file of write keys has at most {MAX_KEY_FILE_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(format!("cannot be read ({error})")))?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Err(unreadable("holds no write key".to_owned()));
    }
    Ok(text)
}

/// A collector that listens.
#[derive(Debug)]
pub(crate) struct Collecting {
    listener: Listener,
    collector: Arc<Collector<Producer>>,
    producer: Producer,
}

impl Collecting {
    /// Listens on `addr`, and puts what comes onto the stream. `port_option` is what the command line calls the port; `load` tells how
    /// much waits to be counted, where that is known.
    pub(crate) async fn start(
        addr: SocketAddr,
        port_option: &str,
        settings: Settings,
        stream: KinesisStream,
        load: Option<Box<dyn Fn() -> Load + Send + Sync>>,
    ) -> Result<Self, Failure> {
        if settings.keys.is_empty() && !addr.ip().is_loopback() {
            return Err(Failure::new(
                format!("everybody who reaches {addr} could post events"),
                "give write keys, by --write-keys FILE or the variable WRITE_KEYS",
            ));
        }
        let producer = Producer::builder().retry_for(RETRY_FOR).build_on(stream).map_err(Failure::said)?;
        let collector = Collector::new(producer.clone(), settings).at(addr);
        let collector = Arc::new(match load {
            Some(load) => collector.admitting(load),
            None => collector,
        });
        let failed = |error: std::io::Error| {
            let what = if error.kind() == std::io::ErrorKind::AddrInUse {
                format!("port {} is in use", addr.port())
            } else {
                format!("{addr} cannot be listened on: {error}")
            };
            Failure::new(what, format!("stop what uses it, or choose another with {port_option}"))
        };
        let answering = Arc::clone(&collector);
        let answer = move |request: Request<Body>, peer: SocketAddr| {
            let collector = Arc::clone(&answering);
            async move {
                let (head, body) = request.into_parts();
                collector.answer(&head, body, peer.ip()).await.map(Full::new)
            }
        };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let listener = Listener::serve(listener, limits(), answer).map_err(failed)?;
        Ok(Self { listener, collector, producer })
    }

    /// Where it answers.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.listener.addr())
    }

    /// Answers what has come, and ends.
    pub(crate) async fn stop(self) {
        self.collector.close();
        self.listener.stop().await;
        // Every event has its answer: nothing is left to come back.
        let _ = self.producer.close(CLOSE_PATIENCE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting(write_keys: Option<&Path>, origins: &[&str]) -> PostingArgs {
        PostingArgs {
            write_keys: write_keys.map(Path::to_owned),
            allowed_origins: origins.iter().map(ToString::to_string).collect(),
            trusted_proxies: Vec::new(),
            span_attributes: None,
            key_rate: 0,
        }
    }

    const RULES: RuleArgs = RuleArgs { event_types: None, ip_policy: None, placeholder_ids: None };

    #[test]
    fn keys_come_from_a_file_and_an_empty_one_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, "# the website\nwk_0123456789abcdef\n").unwrap();
        assert!(settings(&posting(Some(&path), &[]), &RULES, None).unwrap().keys.allow(Some("wk_0123456789abcdef")));
        std::fs::write(&path, "# none yet\n").unwrap();
        let refused = settings(&posting(Some(&path), &[]), &RULES, None).unwrap_err().to_string();
        assert!(refused.contains("no write key"), "{refused}");
        let refused = settings(&posting(Some(&folder.path().join("gone")), &[]), &RULES, None).unwrap_err().to_string();
        assert!(refused.contains("cannot be read"), "{refused}");
    }

    #[test]
    fn what_is_no_origin_is_named() {
        let refused = settings(&posting(None, &["app.test"]), &RULES, None).unwrap_err().to_string();
        assert!(refused.contains("app.test"), "{refused}");
    }

    #[tokio::test]
    async fn nobody_listens_to_the_world_without_a_key() {
        let client = aws_sdk_kinesis::Client::from_conf(
            aws_sdk_kinesis::Config::builder()
                .behavior_version(aws_sdk_kinesis::config::BehaviorVersion::latest())
                .build(),
        );
        let stream = KinesisStream::new(&client, "events", "here");
        let settings = settings(&posting(None, &[]), &RULES, None).unwrap();
        let world = SocketAddr::from(([0, 0, 0, 0], 0));
        let refused = Collecting::start(world, "--port", settings, stream, None).await.unwrap_err().to_string();
        assert!(refused.contains("--write-keys"), "{refused}");
    }
}
