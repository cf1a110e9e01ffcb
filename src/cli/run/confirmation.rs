//! The confirmation before an expensive run on a terminal.

use std::io::{BufRead, IsTerminal, stdin};

use crate::cli::app::App;
use crate::cli::args::RunArgs;
use crate::cli::budget::{RemainingBudget, describe_calls, format_duration};
use crate::cli::planner::PlannedPrice;
use crate::cli::pricing::{calls_spent, lookups, price_job, read_history, remaining_budget};
use crate::cli::{CommandError, print};
use crate::document::printable;
use crate::job::Job;
use crate::sync::{JobEstimate, ProbeBudget, seconds_for_calls};

/// A run that takes more than this fraction of today's remaining calls needs a confirmation.
const EXPENSIVE_SHARE: f64 = 0.25;

/// Asks on a terminal whether to start an expensive run. Other runs need no confirmation, and no price here.
pub(super) async fn confirm_run(
    app: &App<'_>,
    args: &RunArgs,
    job: &Job,
    price: &mut PlannedPrice,
) -> Result<bool, CommandError> {
    if args.yes || !stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let history = read_history(app)?.job_or_default(&job.name);
    if matches!(price, PlannedPrice::NotAsked) {
        *price = price_job(app, job, &history, args.full, &ProbeBudget::at_most(0)).await.ok().into();
    }
    let Some(price) = price.known() else { return Ok(true) };
    let left = remaining_budget(app, None)?.for_job(job, args.max_calls, calls_spent(app, job)?);
    let probes = ProbeBudget::at_most(lookups(remaining_budget(app, None)?.account));
    let probed;
    let price = match (is_surely_expensive(price, &left), may_be_expensive(price, &left)) {
        (false, false) => return Ok(true),
        (true, _) => price,
        // A few calls show whether it is cheap.
        (false, true) => {
            probed = price_job(app, job, &history, args.full, &probes).await?;
            if !is_surely_expensive(&probed, &left) && !may_be_expensive(&probed, &left) {
                return Ok(true);
            }
            &probed
        }
    };
    print::stderr(&question(job, price, &left, app.requests_per_second()?, probes.sent()));
    let mut answer = String::new();
    drop(stdin().lock().read_line(&mut answer));
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn is_surely_expensive(price: &JobEstimate, left: &RemainingBudget) -> bool {
    is_expensive(price.total().calls().at_least, left)
}

/// Without a limit for the account, no number of calls is expensive.
fn may_be_expensive(price: &JobEstimate, left: &RemainingBudget) -> bool {
    left.account.is_some() && price.total().calls().at_most.is_none_or(|calls| is_expensive(calls, left))
}

fn is_expensive(calls: u64, left: &RemainingBudget) -> bool {
    calls > 0 && left.share(calls).is_some_and(|share| share > EXPENSIVE_SHARE)
}

fn question(job: &Job, price: &JobEstimate, left: &RemainingBudget, pace: f64, sent: u64) -> String {
    let calls = price.total().calls();
    // Without an upper bound, a percentage would be misleading.
    let share = calls.at_most.and_then(|most| left.share(most)).filter(|share| share.is_finite());
    let (account, time) = (left.account.unwrap_or(0), format_duration(seconds_for_calls(calls.expected_calls(), pace)));
    let part = match share {
        Some(share) => format!("that is {:.0}% of the {account} that it may use today", share * 100.0),
        None => format!("it may use {account} today"),
    };
    let asked = match sent {
        0 => String::new(),
        n => format!("; sent {} to find out", print::count(n, "call")),
    };
    format!(
        "{} would use {}, {time} at the current pace{asked}; {part}\n\
         continue? [y/N] ",
        printable(&job.name),
        describe_calls(calls),
    )
}
