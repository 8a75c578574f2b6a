//! All that happens, line by line: hashed always, kept where somebody wants to read it.

use headcount_core::hash::hash64;
use parking_lot::Mutex;

#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    digest: u64,
    lines: Option<Vec<String>>,
}

impl History {
    pub(crate) fn new(keeps: bool) -> Self {
        Self(Mutex::new(Told { digest: 0, lines: keeps.then(Vec::new) }))
    }

    pub(crate) fn tell(&self, at_ms: i64, line: std::fmt::Arguments<'_>) {
        let line = line.to_string();
        let mut told = self.0.lock();
        told.digest = hash64(&[&told.digest.to_le_bytes()[..], &at_ms.to_le_bytes(), line.as_bytes()].concat());
        if let Some(lines) = &mut told.lines {
            lines.push(format!("{} {line}", moment(at_ms)));
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.0.lock().digest
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().lines.clone().unwrap_or_default()
    }
}

fn moment(ms: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    at.format("%d %H:%M:%S%.3f").to_string()
}
