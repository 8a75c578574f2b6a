//! How the functions run: as code of this process, or as the programs that Lambda would run.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use headcount_aggregator::follow::{Following, follow_behind};
use headcount_aggregator::prove::{Asked, ProofRun, prove_days};
use headcount_aggregator::roll_up::roll_up;
use headcount_core::ip_policy::IpPolicy;
use headcount_core::limits::{DAY_MS, MAX_EARLINESS_MS};
use headcount_core::prices::PriceTable;
use tokio::time::Instant;

use super::in_process::InProcess;
use super::{Aggregator, MachineOptions, ROLL_UP_TIMEOUT};
use crate::error::LocalError;
use crate::lambda::fleet::{Fleet, FleetOptions};
use crate::lambda::functions::{self, ConsumerProcesses};
use crate::mapping::{Function, FunctionError};

/// How consumer and aggregator run.
#[derive(Clone, Debug, Default)]
pub enum Functions {
    /// As code of this process.
    #[default]
    InProcess,
    /// As their own programs, behind a Lambda Runtime API.
    Processes {
        /// The consumer's program.
        consumer: PathBuf,
        /// The aggregator's program.
        aggregator: PathBuf,
        /// Further variables of both, which go before those that the pipeline's options make.
        environment: Vec<(String, String)>,
        /// Where both find the table, as `http://127.0.0.1:8000`; `None` is the embedded one.
        dynamodb_endpoint: Option<String>,
    },
}

impl Functions {
    /// The programs in this folder.
    ///
    /// # Errors
    /// [`LocalError::Program`], where one of them is not there.
    pub fn in_folder(folder: &Path) -> Result<Self, LocalError> {
        let program = |name: &str| {
            let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
            if path.is_file() { Ok(path) } else { Err(LocalError::Program { path }) }
        };
        Ok(Self::Processes {
            consumer: program(functions::CONSUMER)?,
            aggregator: program(functions::AGGREGATOR)?,
            environment: Vec::new(),
            dynamodb_endpoint: None,
        })
    }

    /// The two fleets, where the functions run as processes. `table` is the embedded one's endpoint, `log` its folder.
    pub(super) fn fleets(
        options: &MachineOptions,
        table: &str,
        log: &Path,
    ) -> Result<Option<[Arc<Fleet>; 2]>, LocalError> {
        let Self::Processes { consumer, aggregator, environment, dynamodb_endpoint } = &options.functions else {
            return Ok(None);
        };
        let mut variables = variables(options, log)?;
        variables.push(("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint.clone().unwrap_or_else(|| table.to_owned())));
        if let Some(keys) = &options.aws_keys {
            variables.push(("AWS_ACCESS_KEY_ID", keys.access_key_id.clone()));
            variables.push(("AWS_SECRET_ACCESS_KEY", keys.secret_access_key.clone()));
        }
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
        let environment: Vec<_> = variables.chain(environment.iter().cloned()).collect();
        let fleet = |name: &str, program: &PathBuf, most| {
            if !program.is_file() {
                return Err(LocalError::Program { path: program.clone() });
            }
            let environment = environment.clone();
            Ok(Arc::new(Fleet::new(FleetOptions { environment, most, ..FleetOptions::new(name, program) })))
        };
        let most = FleetOptions::new("", "").most;
        Ok(Some([fleet(functions::CONSUMER, consumer, most)?, fleet(functions::AGGREGATOR, aggregator, 1)?]))
    }
}

/// What the programs must know of the pipeline's options.
fn variables(options: &MachineOptions, log: &Path) -> Result<Vec<(&'static str, String)>, LocalError> {
    let rules = &options.rules;
    let lateness_days = match rules.lateness_ms() {
        Some(ms) if ms % DAY_MS == 0 && rules.earliness_ms() == MAX_EARLINESS_MS => ms / DAY_MS,
        _ => {
            let rule = "functions of their own take events from whole days before their arrival to 15 minutes after it";
            return Err(LocalError::Option { field: "rules", rule: rule.to_owned() });
        }
    };
    let ip_policy = match rules.ip_policy() {
        IpPolicy::Keep => "keep",
        IpPolicy::Truncate => "truncate",
        IpPolicy::Drop => "drop",
    };
    let placeholder_ids: Vec<&str> = rules.placeholder_ids().collect();
    let mut variables = vec![
        (headcount_consumer::config::EVENTS_TABLE, options.table.clone()),
        (headcount_consumer::config::PROJECT, options.project.clone()),
        (headcount_consumer::config::LATENESS_DAYS, lateness_days.to_string()),
        (headcount_consumer::config::IP_POLICY, ip_policy.to_owned()),
        (headcount_consumer::config::LOG, log.display().to_string()),
        (headcount_consumer::config::EVENT_ITEMS, options.items.event_items.to_string()),
        (headcount_consumer::config::USER_INDEX, options.items.user_index.to_string()),
        (headcount_consumer::config::EVENT_TYPES, rules.custom_types().collect::<Vec<_>>().join(",")),
        // An empty variable would be none, and mean the built-in list.
        (
            headcount_consumer::config::PLACEHOLDER_IDS,
            if placeholder_ids.is_empty() { ",".to_owned() } else { placeholder_ids.join(",") },
        ),
    ];
    if let Some((name, _)) = rules.prices().and_then(PriceTable::file) {
        variables.push((headcount_consumer::config::PRICE_TABLE, name.to_owned()));
    }
    if let Some(zone) = options.zone {
        variables.push((headcount_consumer::config::REPORTING_ZONE, zone.name().to_owned()));
    }
    if let Some(days) = options.log_retention_days {
        variables.push((headcount_consumer::config::EVENT_RETENTION_DAYS, days.to_string()));
    }
    if let Some(generation) = &options.stream_generation {
        variables.push((headcount_consumer::config::STREAM_GENERATION, generation.clone()));
    }
    Ok(variables)
}

/// What the mapping hands its batches to.
pub enum Consumer {
    /// The handler and all it remembers; one for all shards, as one warm function would be.
    InProcess(Arc<InProcess>),
    /// Processes, one for each shard in flight.
    Processes(ConsumerProcesses),
}

impl Function for Consumer {
    async fn invoke(&self, event: KinesisEvent, deadline: Instant) -> Result<KinesisEventResponse, FunctionError> {
        match self {
            Self::InProcess(consumer) => consumer.handle(event, deadline).await.map_err(FunctionError::new),
            Self::Processes(processes) => processes.invoke(event, deadline).await,
        }
    }
}

/// One run of the aggregator over the open days; why it failed, if it did.
pub(super) async fn aggregate(aggregator: Arc<Aggregator>, fleet: Option<Arc<Fleet>>) -> Result<(), String> {
    let deadline = Instant::now() + ROLL_UP_TIMEOUT;
    if let Some(fleet) = fleet {
        return functions::roll_up(&fleet, deadline).await;
    }
    let run: Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(async move { roll_up(&aggregator, None, deadline).await });
    let rolled_up = run.await.map_err(|error| error.to_string())?;
    match rolled_up.failed().next() {
        Some((date, error)) => Err(format!("{date}: {error}")),
        None => Ok(()),
    }
}

/// One run of proofs; why the first day failed, if one did.
pub(super) async fn prove(aggregator: &Aggregator, fleet: Option<&Fleet>, deadline: Instant) -> Result<(), String> {
    if let Some(fleet) = fleet {
        return functions::prove(fleet, deadline).await;
    }
    prove_asked(aggregator, &Asked::scheduled(aggregator), deadline).await.map(drop)
}

/// Proves every day that changed since its proof, by code of this process; an error where one is left.
pub(super) async fn prove_open(aggregator: &Aggregator, deadline: Instant) -> Result<(), String> {
    let proved = prove_asked(aggregator, &Asked::AllOpen, deadline).await?;
    match proved.days.iter().find(|day| day.unfinished.is_some()) {
        Some(day) => Err(format!("{}: the time ran out before the day was proven", day.date)),
        None => Ok(()),
    }
}

/// An error where a day failed.
async fn prove_asked(aggregator: &Aggregator, asked: &Asked, deadline: Instant) -> Result<ProofRun, String> {
    let run: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(prove_days(aggregator, asked, deadline));
    let proved = run.await.map_err(|error| error.to_string())?;
    match proved.days.iter().find_map(|day| Some((day.date, day.error.as_ref()?))) {
        Some((date, error)) => Err(format!("{date}: {error}")),
        None => Ok(proved),
    }
}

/// One light run of the aggregator: it follows what nobody followed.
pub(super) async fn follow(
    aggregator: &Aggregator,
    fleet: Option<&Fleet>,
    deadline: Instant,
) -> Result<Following, String> {
    if let Some(fleet) = fleet {
        return functions::follow(fleet, deadline).await;
    }
    let run: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(follow_behind(aggregator, deadline));
    run.await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use headcount_core::validate::Rules;
    use headcount_follow::ItemOptions;

    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named_with_what_builds_it() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Functions::in_folder(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("headcount-consumer") && refused.contains("cargo build -p"), "{refused}");
        for name in [functions::CONSUMER, functions::AGGREGATOR] {
            std::fs::write(folder.path().join(format!("{name}{}", std::env::consts::EXE_SUFFIX)), "").unwrap();
        }
        assert!(matches!(Functions::in_folder(folder.path()), Ok(Functions::Processes { .. })));
    }

    #[test]
    fn the_programs_are_told_the_rules_and_read_them_back() {
        let rules = |late| {
            let types = vec!["signup".to_owned(), "purchase".to_owned()];
            let rules = Rules::new(types, late, MAX_EARLINESS_MS, IpPolicy::Truncate).unwrap();
            rules.with_placeholder_ids(["test", "nobody"]).unwrap().with_prices(PriceTable::shipped())
        };
        let zone = Some(chrono_tz::Europe::Berlin);
        let items = ItemOptions { event_items: false, user_index: true };
        let stream_generation = Some("2".to_owned());
        let log_retention_days = Some(30);
        let rules_of_days = rules(Some(3 * DAY_MS));
        let options = MachineOptions {
            rules: rules_of_days,
            zone,
            items,
            stream_generation,
            log_retention_days,
            ..MachineOptions::default()
        };
        let told = variables(&options, Path::new("/data/log")).unwrap();
        let read = |name: &str| told.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let consumer = headcount_consumer::config::Config::read(read).unwrap();
        assert_eq!((&consumer.settings.rules, consumer.settings.zone), (&options.rules, zone));
        assert_eq!((&*consumer.log, consumer.settings.items), ("/data/log", items));
        assert_eq!(
            (consumer.settings.log_retention_days, consumer.settings.stream_generation),
            (30, Some("2".to_owned()))
        );
        assert_eq!((consumer.tables.events, consumer.settings.project), (options.table, options.project));
        assert_eq!(read(headcount_consumer::config::PRICE_TABLE), None, "they have the shipped prices themselves");
        let bare = Rules::default().with_placeholder_ids([]).unwrap().with_prices(PriceTable::shipped());
        let options = MachineOptions { rules: bare.clone(), ..MachineOptions::default() };
        let bare_told = variables(&options, Path::new("/data/log")).unwrap();
        let find = |name: &str| bare_told.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let consumer = headcount_consumer::config::Config::read(find).unwrap();
        assert_eq!(consumer.settings.rules, bare, "no placeholders at all");
        let table = PriceTable::parse("december.json", br#"{"m": {"input_cost_per_token": 1e-6}}"#).unwrap();
        let options = MachineOptions { rules: bare.with_prices(table), ..MachineOptions::default() };
        let named = variables(&options, Path::new("/data/log")).unwrap();
        assert!(named.contains(&(headcount_consumer::config::PRICE_TABLE, "december.json".to_owned())));
        let aggregator = headcount_aggregator::config::Config::read(read).unwrap();
        assert_eq!(aggregator.settings.lateness_ms, 3 * DAY_MS);
        for late in [None, Some(DAY_MS / 2)] {
            let options = MachineOptions { rules: rules(late), ..MachineOptions::default() };
            assert!(variables(&options, Path::new("/data/log")).unwrap_err().to_string().contains("whole days"));
        }
    }
}
