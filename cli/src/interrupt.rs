//! Ctrl-C and SIGTERM: the first asks a command to stop cleanly, the second stops it at once.

use tokio::sync::watch;

use crate::failure::{Ending, Failure};

/// Tells whether someone asked to stop.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let cannot = |error| Failure::new(format!("signals cannot be received ({error})"), "start it another way");
        let mut signals = Signals::new().map_err(cannot)?;
        let (asked, interrupt) = watch::channel(false);
        tokio::spawn(async move {
            signals.next().await;
            asked.send_replace(true);
            signals.next().await;
            std::process::exit(i32::from(Ending::INTERRUPTED_CODE));
        });
        Ok(Self(interrupt))
    }

    /// An interrupt that the test sends.
    #[cfg(test)]
    pub(crate) fn manual() -> (watch::Sender<bool>, Self) {
        let (asked, interrupt) = watch::channel(false);
        (asked, Self(interrupt))
    }

    /// Whether someone asked already.
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when someone asks to stop; never where nobody can ask any more.
    pub(crate) async fn asked(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What `work` gives, or `None` where someone asked to stop first; the work is then dropped where it stands.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = work => Some(done),
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_ends_by_itself_or_by_the_interrupt() {
        let (asked, interrupt) = Interrupt::manual();
        assert_eq!(interrupt.or(async { 7 }).await, Some(7));
        assert!(!interrupt.is_asked());
        asked.send_replace(true);
        assert_eq!(interrupt.or(std::future::pending::<u8>()).await, None);
        assert!(interrupt.is_asked());
    }
}
