//! A secret of AWS Secrets Manager, read when a function starts and again while it lives, so that a new version needs no deploy.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws::{ConnectOptions, config_for};

/// How long a value is used before the secret is read again. A function that is never idle makes 9,000 requests a month, which
/// cost $0.04 (<https://aws.amazon.com/secrets-manager/pricing/>).
pub const REFRESH: Duration = Duration::from_mins(5);

/// How long the last value is used before the next attempt where the secret could not be read.
const RETRY: Duration = Duration::from_secs(30);

/// The variable with which the AWS SDKs take another endpoint for Secrets Manager.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_SECRETS_MANAGER";

type Make<T> = Box<dyn Fn(&str) -> Result<T, String> + Send + Sync>;

/// What a program makes of a secret's value, made again when the secret has a new one.
pub struct FromSecret<T> {
    client: Client,
    /// The secret's name or ARN.
    id: String,
    refresh: Duration,
    make: Make<T>,
    current: Mutex<Current<T>>,
}

struct Current<T> {
    text: String,
    made: Arc<T>,
    read_again: Instant,
}

/// Why a secret cannot be used. No message shows the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it.
    #[error(
        "the secret {id} cannot be read; the function's role needs secretsmanager:GetSecretValue for it, and a key of your own \
         kms:Decrypt: {cause}"
    )]
    Unreadable {
        /// The secret's name or ARN.
        id: String,
        /// What the service answered.
        cause: String,
    },
    /// It has bytes in place of a text.
    #[error("the secret {id} has no text: store its value as SecretString")]
    NoText {
        /// The secret's name or ARN.
        id: String,
    },
    /// The value breaks a rule.
    #[error("the secret {id} cannot be used: {problem}")]
    Unusable {
        /// The secret's name or ARN.
        id: String,
        /// Which rule, and how to keep it.
        problem: String,
    },
}

impl<T> FromSecret<T> {
    /// Reads the current version of a secret, and makes of it what the program needs. The value is used for `refresh`; functions give
    /// [`REFRESH`].
    ///
    /// # Errors
    ///
    /// [`SecretError`].
    pub async fn read(
        options: &ConnectOptions,
        id: impl Into<String>,
        refresh: Duration,
        make: impl Fn(&str) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, SecretError> {
        let endpoint = std::env::var(ENDPOINT).ok();
        let config = config_for(options, endpoint.as_deref()).await;
        let (client, id, make): (_, _, Make<T>) = (Client::new(&config), id.into(), Box::new(make));
        let text = get(&client, &id).await?;
        let made = make_of(&id, &make, &text)?;
        let read_again = Instant::now() + refresh;
        Ok(Self { client, id, refresh, make, current: Mutex::new(Current { text, made, read_again }) })
    }

    /// What was made of the newest value known. The secret is read again when the last answer is older than `refresh`. Where that
    /// fails or gives an unusable value, the last good one stays in use, with a warning.
    pub async fn current(&self) -> Arc<T> {
        let mut current = self.current.lock().await;
        if Instant::now() < current.read_again {
            return Arc::clone(&current.made);
        }
        let pause = match self.changed(&current.text).await {
            Ok(None) => self.refresh,
            Ok(Some((text, made))) => {
                tracing::info!(secret = self.id, "the secret has a new value, which is used from now on");
                (current.text, current.made) = (text, made);
                self.refresh
            }
            Err(error) => {
                tracing::warn!("{error}; its last value stays in use");
                RETRY.min(self.refresh)
            }
        };
        current.read_again = Instant::now() + pause;
        Arc::clone(&current.made)
    }

    /// The secret's value and what is made of it, if it is another than this one.
    async fn changed(&self, known: &str) -> Result<Option<(String, Arc<T>)>, SecretError> {
        let text = get(&self.client, &self.id).await?;
        if text == known {
            return Ok(None);
        }
        let made = make_of(&self.id, &self.make, &text)?;
        Ok(Some((text, made)))
    }
}

/// Asks for the secret's current version. IAM action: `secretsmanager:GetSecretValue`
/// (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>).
async fn get(client: &Client, id: &str) -> Result<String, SecretError> {
    let answer = client.get_secret_value().secret_id(id).send().await;
    let answer = answer.map_err(|error| SecretError::Unreadable { id: id.to_owned(), cause: cause(&error) })?;
    answer.secret_string.ok_or_else(|| SecretError::NoText { id: id.to_owned() })
}

/// What the service says where it refuses, and otherwise why it was not reached.
fn cause<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E>) -> String {
    if let Some(refusal) = error.as_service_error() {
        let said = [refusal.code(), refusal.message()].into_iter().flatten();
        return said.collect::<Vec<_>>().join(": ");
    }
    let mut causes = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        causes += &format!(": {error}");
        source = error.source();
    }
    causes
}

fn make_of<T>(id: &str, make: &Make<T>, text: &str) -> Result<Arc<T>, SecretError> {
    make(text).map(Arc::new).map_err(|problem| SecretError::Unusable { id: id.to_owned(), problem })
}
