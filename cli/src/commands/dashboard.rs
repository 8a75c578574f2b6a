//! `headcount dashboard`: the figures of a table for a browser, and for programs.

use std::net::SocketAddr;

use headcount_dashboard::{Health, router};
use headcount_query::Deps;

use crate::args::Dashboard;
use crate::connect;
use crate::failure::{Ending, Failure};
use crate::interrupt::Interrupt;
use crate::output;
use crate::web::{Web, access};

/// Runs it.
pub(crate) async fn run(args: Dashboard, interrupt: &Interrupt) -> Result<Ending, Failure> {
    let addr = SocketAddr::new(args.bind, args.port);
    let access = access(addr, args.read_token_file.as_deref())?;
    let Some(store) = interrupt.or(connect::table(&args.table)).await else { return Ok(Ending::Interrupted) };
    let web = Web::start(addr, router(Deps::new(store?), access, Health::default())).await?;
    output::line(&format!("Figures are shown at {}/ until Ctrl-C.", web.endpoint()))?;
    interrupt.asked().await;
    web.stop().await;
    Ok(Ending::Fine)
}
