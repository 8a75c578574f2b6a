//! One file a command.

use crate::args::Command;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;

mod demo;
mod generate;
mod send;

/// Does what was asked for.
pub(crate) async fn run(command: Command, interrupt: &Interrupt) -> Result<Ending, Failure> {
    match command {
        Command::Generate(args) => generate::run(&args, interrupt),
        Command::Send(args) => send::run(args, interrupt).await,
        Command::Demo(_) | Command::Serve(_) | Command::Rollup(_) | Command::Verify(_) | Command::Metrics(_) => {
            Err(Failure::new("this command is not built in yet", "use a newer build"))
        }
    }
}
