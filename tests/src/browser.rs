//! A real browser: headless Chromium, told what to do by `WebDriver`.
//!
//! `cargo xtask test` installs it where it can. Without that it takes `chromium` and `chromedriver` from the path.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

/// Longest wait for the browser, or for a condition in a page.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Times that it is started: on a busy machine Chromium now and then ends as soon as it has begun, before any test has
/// asked it for something.
const ATTEMPTS: u32 = 3;

/// The driver's name.
const DRIVER: &str = "chromedriver";

/// Names that Chromium goes by.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What Chromium is started with: no window, nothing kept, nothing asked of the internet.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with one window. Dropped, it ends, with all its processes.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    _driver: Driver,
    /// What it keeps, which is gone with it.
    _profile: TempDir,
}

impl Browser {
    /// Starts one that knows nothing.
    ///
    /// # Errors
    ///
    /// It is not installed, and then the error says what to install, or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same with further arguments for Chromium.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn start_with(further: &[&str]) -> Result<Self> {
        let browser = BROWSERS.into_iter().find_map(installed);
        let (Some(browser), Some(program)) = (browser, installed(DRIVER)) else {
            bail!(
                "no Chromium with {DRIVER} is installed: `cargo xtask test` installs both where it may use apt-get; \
                 elsewhere install chromium and chromium-driver (Debian), or Chrome and the chromedriver of its version"
            );
        };
        let mut attempt = 1;
        loop {
            match Self::launch(&browser, &program, further).await {
                Err(error) if attempt < ATTEMPTS => eprintln!("attempt {attempt} of {ATTEMPTS}: {error:#}"),
                ended => return ended,
            }
            attempt += 1;
        }
    }

    async fn launch(browser: &Path, program: &Path, further: &[&str]) -> Result<Self> {
        let profile = tempfile::tempdir().context("no folder for the browser's profile")?;
        let driver = Driver::start(program)?;
        let kept = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([&*kept]).chain(further.iter().copied()).collect();
        let wanted = json!({
            "goog:chromeOptions": {"args": arguments, "binary": browser},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let Value::Object(wanted) = wanted else { bail!("capabilities are an object") };
        let mut connecting = ClientBuilder::new(HttpConnector::new());
        let client = tokio::time::timeout(PATIENCE, connecting.capabilities(wanted).connect(&driver.endpoint)).await;
        let client = client.context("the browser did not start in time")?.context("the browser did not start")?;
        Ok(Self { client, _driver: driver, _profile: profile })
    }

    /// Its window.
    pub fn window(&self) -> &Client {
        &self.client
    }

    /// Opens an address and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// It cannot be loaded.
    pub async fn open(&self, address: &str) -> Result<()> {
        self.client.goto(address).await.with_context(|| format!("{address} does not open"))
    }

    /// The value of an expression of JavaScript in the page that is open.
    ///
    /// # Errors
    ///
    /// It throws.
    pub async fn value(&self, expression: &str) -> Result<Value> {
        let script = format!("return {expression}");
        self.client.execute(&script, Vec::new()).await.with_context(|| format!("{expression} has no value"))
    }

    /// Asks until the expression is true.
    ///
    /// # Errors
    ///
    /// It throws, or is not true within [`PATIENCE`].
    pub async fn wait_until(&self, expression: &str) -> Result<()> {
        let started = Instant::now();
        while self.value(expression).await? != true {
            if started.elapsed() > PATIENCE {
                bail!("{expression} did not come true");
            }
        }
        Ok(())
    }

    /// What a promise of JavaScript in the page that is open comes to.
    ///
    /// # Errors
    ///
    /// It is rejected.
    pub async fn outcome(&self, promise: &str) -> Result<Value> {
        let script = format!("const done = arguments[arguments.length - 1]; ({promise}).then(done)");
        self.client.execute_async(&script, Vec::new()).await.with_context(|| format!("{promise} comes to nothing"))
    }

    /// What pages have written to the console since the last time, errors of theirs and of the browser included.
    ///
    /// # Errors
    ///
    /// The browser does not answer.
    pub async fn console(&self) -> Result<Value> {
        let command = Extension { path: "se/log", body: json!({"type": "browser"}) };
        self.client.issue_cmd(command).await.context("the browser does not tell what is on its console")
    }

    /// Lets pages think that somebody prefers this colour scheme: `light` or `dark`.
    ///
    /// # Errors
    ///
    /// The browser does not answer.
    pub async fn prefer(&self, scheme: &str) -> Result<()> {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let body = json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        let command = Extension { path: "goog/cdp/execute", body };
        self.client.issue_cmd(command).await.map(drop).context("the browser does not change its colour scheme")
    }

    /// Ends the browser.
    ///
    /// # Errors
    ///
    /// It does not answer any more; its processes end all the same.
    pub async fn stop(self) -> Result<()> {
        self.client.clone().close().await.context("the browser does not end by itself")
    }
}

/// A command of chromedriver's own.
#[derive(Debug)]
struct Extension {
    /// Below the session.
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// A running chromedriver, the first of a group of processes: the browser's are in it.
#[derive(Debug)]
struct Driver {
    child: Child,
    endpoint: String,
}

impl Driver {
    fn start(program: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().with_context(|| format!("{} does not start", program.display()))?;
        let out = child.stdout.take().context("its output is piped")?;
        let mut driver = Self { child, endpoint: String::new() };
        let (send, receive) = mpsc::channel();
        // Goes on reading to the end, so that the driver never waits for a full pipe.
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
        });
        let started = Instant::now();
        while let Ok(line) = receive.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
            // ChromeDriver was started successfully on port 41234.
            let port =
                line.rsplit_once(" on port ").and_then(|(_, port)| port.trim_end_matches('.').parse::<u16>().ok());
            if let (true, Some(port)) = (line.contains("successfully"), port) {
                driver.endpoint = format!("http://127.0.0.1:{port}");
                return Ok(driver);
            }
        }
        bail!("{DRIVER} did not say its port")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program of this name lies.
fn installed(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}
