//! The way of events through the whole stack: in by the collector and by a person, counted by the consumer, given up and
//! redriven, rolled up and closed, and read.

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use headcount_local::aws_names::RECORD_AGE_EXCEEDED;
use headcount_tests::iam::template::{BUCKET, LOG_BUCKET};
use serde_json::{Value, json};

use super::services::invocation;
use super::world::{SECRET, World};

/// Days after which a day takes no more events: lateness, retention, and two more.
const CLOSED_DAYS: i64 = 12;

/// An event of `feature_use`.
fn event(id: &str, user: &str, at: DateTime<Utc>) -> Value {
    json!({
        "eventId": id, "userId": user, "sessionId": format!("session-{user}"), "eventType": "feature_use",
        "timestamp": at.timestamp_millis(), "eventData": {"feature": "search"},
        "metadata": {"userAgent": "test/1", "ipAddress": "203.0.113.9", "platform": "web"},
    })
}

/// Walks all of it. Ends with the first step that fails, or in which something is refused.
pub(crate) async fn walk(world: &World) -> Result<()> {
    let mut refused = world.proxy.refused();
    let mut walk = Walk { world, now: Utc::now(), step: "start" };
    let refusal = async {
        let refused = refused.wait_for(|refused| !refused.is_empty()).await;
        refused.map(|refused| refused[0].clone()).unwrap_or_default()
    };
    let walked = tokio::select! {
        biased;
        refused = refusal => Err(anyhow::anyhow!(refused)),
        walked = walk.all() => walked,
    };
    let step = walk.step;
    walked.with_context(|| format!("in the step {step:?}"))
}

struct Walk<'a> {
    world: &'a World,
    now: DateTime<Utc>,
    step: &'static str,
}

impl Walk<'_> {
    async fn all(&mut self) -> Result<()> {
        self.step = "init";
        self.make().await?;
        self.step = "collector";
        self.post().await?;
        self.step = "send";
        self.send().await?;
        self.step = "consumer";
        self.consume().await?;
        self.step = "failure destination";
        self.give_up(2).await?;
        self.step = "redrive";
        self.redrive().await?;
        // The next proof of today takes the place of the first one.
        self.give_up(4).await?;
        self.redrive().await?;
        self.step = "restore";
        self.restore().await?;
        self.step = "schedule and aggregator";
        self.roll_up().await?;
        self.step = "prover";
        self.prove().await?;
        self.step = "dashboard";
        self.read().await?;
        self.step = "metrics";
        self.ask().await
    }

    fn tables(&self) -> Result<Vec<String>> {
        let figures = self.world.template.variables("Consumer")?;
        let figures = figures.into_iter().find(|(name, _)| name == "METRICS_TABLE").context("a table of figures")?;
        Ok(vec!["--table".into(), self.world.template.reference("EventsTable")?, "--metrics-table".into(), figures.1])
    }

    async fn headcount(&self, person: &str, arguments: &[&str]) -> Result<Value> {
        self.world.headcount(person, &[arguments, &["--json"]].concat()).await
    }

    /// Stream and tables, first made, then found short of what they should have.
    async fn make(&self) -> Result<()> {
        let tables = self.tables()?;
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        let stream = self.world.template.reference("EventStream")?;
        let log = format!("s3://{LOG_BUCKET}");
        let init = ["init", "--stream", &stream, "--retention-hours", "48", "--log", &log];
        let made = self.headcount("init", &[&init[..], &tables].concat()).await?;
        let parts = made.as_array().context("an array")?;
        let is_made = |part: &Value| part["created"] == true || part["kind"] == "log";
        ensure!(parts.iter().all(is_made) && parts.iter().any(|part| part["kind"] == "log"), "{made}");
        Ok(())
    }

    async fn post(&self) -> Result<()> {
        let body = event("posted", "ann", self.now).to_string();
        let headers = json!({"authorization": format!("Bearer {SECRET}"), "content-type": "application/json"});
        let answer = self.world.ask("Collector", "POST /v1/events", headers, &body).await?;
        ensure!(answer["statusCode"] == 202, "{answer}");
        self.world.service("CollectorRole").log("/aws/lambda/headcount-collector").await
    }

    /// An event, its duplicate, and one that breaks a rule.
    async fn send(&self) -> Result<()> {
        let good = event("sent", "bob", self.now);
        let mut bad = event("bad", "bob", self.now);
        bad["userId"] = Value::Null;
        let file = self.world.file("events.ndjson", &format!("{good}\n{good}\n{bad}\n"))?;
        let stream = self.world.template.reference("EventStream")?;
        let file = file.to_str().context("a path")?;
        let sent = self.headcount("send", &["send", "--stream", &stream, file]).await?;
        ensure!(sent["sent"] == 3, "{sent}");
        Ok(())
    }

    async fn consume(&self) -> Result<()> {
        let stream = self.world.template.reference("EventStream")?;
        let mapping = self.world.service("ConsumerRole");
        let batch = mapping.poll(&stream).await?;
        ensure!(!batch.records.is_empty(), "the stream has no records");
        self.count(&batch).await?;
        // The same again, as after an answer that was lost.
        self.count(&batch).await?;
        // A day that is closed by now had its events in time; the third one comes behind what its source has passed.
        let then = self.now - TimeDelta::days(CLOSED_DAYS);
        for (sequence, id) in [(8, "old"), (9, "older"), (1, "behind")] {
            self.count(&invocation(&stream, sequence, then, &[event(id, "eve", then)])).await?;
        }
        mapping.log("/aws/lambda/headcount-consumer").await
    }

    async fn count(&self, batch: &impl serde::Serialize) -> Result<()> {
        let answer = self.world.invoke("Consumer", batch).await?;
        ensure!(answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty), "{answer}");
        Ok(())
    }

    /// One with the condition that aged records have, one with a word that nobody knows yet.
    async fn give_up(&self, first: u64) -> Result<()> {
        let stream = self.world.template.reference("EventStream")?;
        let mapping = self.world.service("ConsumerRole");
        for (sequence, condition) in [(first, RECORD_AGE_EXCEEDED), (first + 1, "AWordOfTheFuture")] {
            let mut bad = event("bad again", "ann", self.now);
            bad["sessionId"] = json!("");
            let given_up = invocation(&stream, sequence, self.now, &[event(condition, "ann", self.now), bad]);
            mapping.keep(&given_up, condition).await?;
        }
        Ok(())
    }

    async fn redrive(&self) -> Result<()> {
        let (tables, place, log) = (self.tables()?, format!("s3://{BUCKET}"), format!("s3://{LOG_BUCKET}"));
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        let redrive = ["redrive", "--delete", &place, "--log", &log];
        let redriven = self.headcount("redrive", &[&redrive[..], &tables].concat()).await?;
        let kept = redriven["invocations"].as_array().context("invocations")?;
        ensure!(kept.len() == 2 && kept.iter().all(|one| one["removed"] == true), "{redriven}");
        Ok(())
    }

    async fn restore(&self) -> Result<()> {
        // One entry more than the redrive has seen, so that there is a head to move.
        let stream = self.world.template.reference("EventStream")?;
        self.count(&invocation(&stream, 10, self.now, &[event("before the restore", "ann", self.now)])).await?;
        let (tables, log) = (self.tables()?, format!("s3://{LOG_BUCKET}"));
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        let restored = self.headcount("restore", &[&["restore", "--log", &log][..], &tables].concat()).await?;
        ensure!(restored["complete"] == true, "{restored}");
        Ok(())
    }

    async fn roll_up(&self) -> Result<()> {
        let (function, queue) =
            (self.world.template.reference("Aggregator")?, self.world.template.reference("AggregatorFailures")?);
        let scheduler = self.world.service("ScheduleRole");
        scheduler.start(&function).await?;
        scheduler.report(&queue).await?;
        let lambda = self.world.service("AggregatorRole");
        lambda.report(&queue).await?;
        lambda.log("/aws/lambda/headcount-aggregator").await?;
        // A budget that a request to a language model uses up.
        let tables = self.tables()?;
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        let set = self.headcount("budget", &[&["budget", "set", "--monthly", "0.25"][..], &tables].concat()).await?;
        ensure!(set["amountNanos"] == 250_000_000, "{set}");
        let mut request = event("a request", "ann", self.now);
        (request["eventType"], request["eventData"]) = (json!("ai_request"), json!({"model": "m", "cost": 0.25}));
        // One entry more than the redrive has seen, so that there is a head to move.
        let stream = self.world.template.reference("EventStream")?;
        self.count(&invocation(&stream, 11, self.now, &[event("later", "ann", self.now), request])).await?;
        // As if the consumer had never reached the table: all that is in the log is left to the aggregator.
        self.world.forget_checkpoints().await?;
        let followed = self.world.invoke("Aggregator", &json!({"task": "follow"})).await?;
        ensure!(followed.get("sources").is_some(), "{followed}");
        let answer = self.world.invoke("Aggregator", &json!({})).await?;
        let raised = answer["budgets"]["raised"].as_array().context("alarms of budgets")?;
        ensure!(raised.len() == 1 && raised[0]["spentNanos"] == 250_000_000, "{answer}");
        let told = self.world.heard().await?;
        ensure!(
            told.contains("$0.2500 of $0.2500 is spent") && told.contains("headcount budget set --monthly"),
            "{told}"
        );
        let removed = self.headcount("budget", &[&["budget", "remove"][..], &tables].concat()).await?;
        ensure!(removed["scope"] == "project", "{removed}");
        let days = answer["days"].as_array().context("days")?;
        if let Some(failed) = days.iter().find(|day| day["outcome"] == "failed") {
            bail!("{failed}");
        }
        Ok(())
    }

    /// The prover finds what the aggregator found: a log that nobody followed. The second proof of a day deletes the first.
    async fn prove(&self) -> Result<()> {
        let (function, queue) =
            (self.world.template.reference("Prover")?, self.world.template.reference("AggregatorFailures")?);
        self.world.service("ScheduleRole").start(&function).await?;
        let lambda = self.world.service("ProverRole");
        lambda.report(&queue).await?;
        lambda.log("/aws/lambda/headcount-prover").await?;
        let stream = self.world.template.reference("EventStream")?;
        let closed = (self.now - TimeDelta::days(CLOSED_DAYS)).date_naive();
        for (number, sequence) in [(1, 11), (2, 12)] {
            self.count(&invocation(
                &stream,
                sequence,
                self.now,
                &[event(&format!("proven {number}"), "zoe", self.now)],
            ))
            .await?;
            self.world.forget_checkpoints().await?;
            let dates = [closed, self.now.date_naive()];
            let answer = self.world.invoke("Prover", &json!({"task": "prove", "dates": dates})).await?;
            let numbers: Vec<_> = answer["days"].as_array().context("days")?.iter().map(|day| &day["number"]).collect();
            // The redrives have proven today already.
            ensure!(numbers == [&json!(number), &json!(number + 2)], "{answer}");
        }
        // As the schedule asks: nothing was counted since.
        let answer = self.world.invoke("Prover", &json!({"task": "prove"})).await?;
        ensure!(answer["days"].as_array().is_some(), "{answer}");
        Ok(())
    }

    /// Every kind of question that the dashboard answers.
    async fn read(&self) -> Result<()> {
        let headers = json!({"authorization": format!("Bearer {SECRET}"), "accept": "application/json"});
        let from = (self.now - TimeDelta::days(CLOSED_DAYS)).date_naive();
        let range = format!("from={from}&to={}", self.now.date_naive());
        let today = self.now.date_naive();
        for path in [
            format!("/api/metrics?{range}"),
            format!("/api/features?{range}"),
            format!("/api/engagement?{range}"),
            format!("/api/ai?{range}"),
            "/api/budgets".to_owned(),
            format!("/api/users/ann/events?{range}"),
            format!("/api/rejected?date={today}"),
        ] {
            let answer = self.world.ask("Api", &format!("GET {path}"), headers.clone(), "").await?;
            ensure!(answer["statusCode"] == 200, "{path}: {answer}");
        }
        self.world.service("ApiRole").log("/aws/lambda/headcount-dashboard").await
    }

    /// Every command that asks, and the figures that must be there.
    async fn ask(&self) -> Result<()> {
        let tables = self.tables()?;
        let (from, to) =
            ((self.now - TimeDelta::days(CLOSED_DAYS)).date_naive().to_string(), self.now.date_naive().to_string());
        let range = ["--from", &from, "--to", &to];
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        for arguments in [
            [&["features"][..], &range].concat(),
            [&["engagement"][..], &range].concat(),
            [&["ai"][..], &range].concat(),
            [&["user", "ann"][..], &range].concat(),
            vec!["rejected", "--date", &to],
        ] {
            self.headcount("metrics", &[&arguments[..], &tables].concat()).await?;
        }
        let answer = self.headcount("metrics", &[&["metrics"][..], &range, &tables].concat()).await?;
        let days = answer["days"].as_array().context("days")?;
        let sum = |path: &str| days.iter().filter_map(|day| day.pointer(path)?.as_u64()).sum::<u64>();
        // Posted, sent, two of the closed day, two that were redriven twice, with four that are invalid, a later
        // one, and one for each proof.
        let found = (sum("/featureUsage/search"), sum("/duplicates"), sum("/rejected"));
        ensure!(found == (9, 3, 5), "{found:?} events, duplicates, rejected: {answer:#}");
        let old = days.iter().find(|day| day["date"] == from).context("the closed day has figures")?;
        ensure!(old["featureUsage"]["search"] == 2, "{old:#}");
        Ok(())
    }
}
