//! All shards of a stream: which there are, which may begin, what to do when they end or the stream is made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::types::Shard as Described;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::batch::Source;
use super::progress::ShardState;
use super::shard::{Outcome, Shard, Shared};
use super::{ANSWER_TIMEOUT, Ask, Function};

/// The pages of shards read at most: at 1,000 shards a page, more than any account may have.
const MAX_PAGES: usize = 100;

/// The stream as it is listed at one moment.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// The stream's ARN.
    pub(super) arn: String,
    /// When the stream was made, in milliseconds since the epoch.
    pub(super) created_ms: i64,
    /// Each shard with its parents.
    pub(super) shards: BTreeMap<String, Vec<String>>,
}

/// Asks for the stream and its shards.
pub(super) async fn list(client: &Client, stream: &str) -> Result<Listed, String> {
    let answer = timeout(ANSWER_TIMEOUT, list_pages(client, stream)).await;
    answer.unwrap_or_else(|_| Err(format!("it did not answer for {ANSWER_TIMEOUT:?}")))
}

async fn list_pages(client: &Client, stream: &str) -> Result<Listed, String> {
    let said = client.describe_stream_summary().stream_name(stream).send().await.map_err(|error| {
        match error.as_service_error() {
            Some(service) if service.is_resource_not_found_exception() => {
                "there is no such stream; create it, or name another one".to_owned()
            }
            _ => format!("{}; check the endpoint, the region and the credentials", DisplayErrorContext(&error)),
        }
    })?;
    let summary = said.stream_description_summary.ok_or("the service did not describe it")?;
    let created_ms = summary.stream_creation_timestamp.to_millis().unwrap_or(0);
    let mut shards = BTreeMap::new();
    let mut token: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let ask = client.list_shards();
        let ask = match token.take() {
            // The service takes either the name or the token.
            Some(token) => ask.next_token(token),
            None => ask.stream_name(stream),
        };
        let page = ask.send().await.map_err(|error| DisplayErrorContext(&error).to_string())?;
        shards.extend(page.shards.unwrap_or_default().into_iter().map(with_parents));
        token = page.next_token;
        if token.is_none() {
            return Ok(Listed { arn: summary.stream_arn, created_ms, shards });
        }
    }
    Err(format!("it has more than {MAX_PAGES} pages of shards"))
}

fn with_parents(shard: Described) -> (String, Vec<String>) {
    (shard.shard_id, shard.parent_shard_id.into_iter().chain(shard.adjacent_parent_shard_id).collect())
}

/// The shards that may begin: neither begun nor ended, and every parent has ended or is not listed any more.
fn ready<'a>(
    shards: &'a BTreeMap<String, Vec<String>>,
    begun: &BTreeSet<String>,
    ended: &BTreeSet<String>,
) -> Vec<&'a str> {
    let open = |parent: &String| shards.contains_key(parent) && !ended.contains(parent);
    let waits = |(id, parents): &(&String, &Vec<String>)| {
        begun.contains(*id) || ended.contains(*id) || parents.iter().any(open)
    };
    shards.iter().filter(|entry| !waits(entry)).map(|(id, _)| id.as_str()).collect()
}

/// The work on all shards.
pub(super) struct Shards<F> {
    shared: Arc<Shared<F>>,
    ask: watch::Receiver<Ask>,
    listed: Listed,
    work: JoinSet<(String, Outcome)>,
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
    /// How often in a row the stream could not be listed.
    troubles: u32,
}

impl<F: Function> Shards<F> {
    pub(super) fn new(shared: Arc<Shared<F>>, listed: Listed) -> Self {
        let mut shards = Self {
            ask: shared.ask.clone(),
            shared,
            listed: listed.clone(),
            work: JoinSet::new(),
            begun: BTreeSet::new(),
            ended: BTreeSet::new(),
            troubles: 0,
        };
        shards.begin_stream(listed);
        shards
    }

    /// Works until the mapping stops.
    pub(super) async fn run(mut self) {
        loop {
            let ask = *self.ask.borrow_and_update();
            if ask.stop {
                break;
            }
            let listing = tokio::select! {
                biased;
                _ = self.ask.wait_for(|ask| ask.stop) => break,
                listing = list(&self.shared.client, &self.shared.options.stream) => listing,
            };
            let pause = match listing {
                Ok(listed) => {
                    self.troubles = 0;
                    self.update(listed, ask.question).await;
                    self.shared.options.list_interval
                }
                Err(detail) => {
                    self.troubles += 1;
                    tracing::warn!(stream = self.shared.options.stream, detail, "the stream cannot be listed");
                    self.shared.progress.send_modify(|progress| progress.problem = Some(detail));
                    self.shared.options.poll_interval + self.shared.options.failure.pause(self.troubles)
                }
            };
            if self.wait(pause).await.is_none() {
                break;
            }
        }
        while self.work.join_next().await.is_some() {}
    }

    /// Waits for a reason to list the shards again; `None` when the mapping was dropped.
    async fn wait(&mut self, pause: Duration) -> Option<()> {
        tokio::select! {
            biased;
            asked = self.ask.changed() => return asked.ok(),
            Some(done) = self.work.join_next() => match done {
                Ok((shard, Outcome::Ended)) => {
                    self.begun.remove(&shard);
                    self.ended.insert(shard);
                }
                Ok((_, Outcome::Stopped)) => {}
                Ok((shard, Outcome::Gone)) => {
                    tracing::warn!(shard, "a shard is not there any more");
                    self.begun.remove(&shard);
                    // Not at once: the list may still have it.
                    sleep(self.shared.options.poll_interval).await;
                }
                Err(error) => {
                    // Whose it was is not known: all begin again from their checkpoints.
                    tracing::error!(%error, "the work on a shard failed");
                    self.work.shutdown().await;
                    self.begun.clear();
                    sleep(self.shared.options.poll_interval).await;
                }
            },
            () = sleep(pause) => {}
        }
        Some(())
    }

    async fn update(&mut self, listed: Listed, question: u64) {
        if (&listed.arn, listed.created_ms) == (&self.listed.arn, self.listed.created_ms) {
            self.listed = listed;
        } else {
            tracing::warn!(stream = self.shared.options.stream, "the stream was made anew, its checkpoints are void");
            self.work.shutdown().await;
            self.begun.clear();
            self.ended.clear();
            self.begin_stream(listed);
        }
        let Listed { shards, .. } = &self.listed;
        self.ended.retain(|shard| shards.contains_key(shard));
        self.ended.extend(shards.keys().filter(|shard| self.shared.checkpoints.of(shard).ended).cloned());
        self.shared.checkpoints.retain(|shard| shards.contains_key(shard));
        self.shared.progress.send_modify(|progress| {
            progress.problem = None;
            progress.shards.retain(|shard, _| shards.contains_key(shard));
            for shard in shards.keys() {
                let known = progress.shards.entry(shard.clone()).or_default();
                if self.ended.contains(shard) {
                    known.state = ShardState::Ended;
                }
            }
            progress.listed = question;
        });
        for shard in ready(shards, &self.begun, &self.ended) {
            self.begun.insert(shard.to_owned());
            let source = Source { arn: self.listed.arn.clone(), shard: shard.to_owned() };
            let work = Shard::new(Arc::clone(&self.shared), source);
            let shard = shard.to_owned();
            self.work.spawn(async move { (shard, work.run().await) });
        }
    }

    fn begin_stream(&mut self, listed: Listed) {
        self.shared.checkpoints.begin(&listed.arn, listed.created_ms);
        self.shared.progress.send_modify(|progress| progress.shards.clear());
        self.listed = listed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_before_their_children() {
        // 0 was split into 1 and 2; 1 and 3 were merged into 4; the parent of 5 was trimmed away.
        let shards = [("0", ""), ("1", "0"), ("2", "0"), ("3", ""), ("4", "13"), ("5", "9")];
        let parents = |of: &str| of.chars().map(String::from).collect();
        let shards: BTreeMap<String, Vec<String>> =
            shards.into_iter().map(|(id, of)| (id.to_owned(), parents(of))).collect();
        let set = |ids: &str| ids.chars().map(String::from).collect::<BTreeSet<_>>();
        let check = |begun: &str, ended: &str, expected: &[&str]| {
            assert_eq!(ready(&shards, &set(begun), &set(ended)), expected, "begun {begun}, ended {ended}");
        };
        check("", "", &["0", "3", "5"]);
        check("035", "", &[]);
        check("35", "0", &["1", "2"]);
        check("1235", "0", &[]);
        check("235", "01", &[]);
        check("25", "013", &["4"]);
        check("", "012345", &[]);
    }
}
