//! The question before an expensive run, where somebody sits who can answer it.

use std::io::{BufRead, IsTerminal, stdin};

use crate::cli::args::RunArgs;
use crate::cli::budget::{describe_calls, format_duration};
use crate::cli::pricing::Desk;
use crate::cli::{CommandError, print};
use crate::document::printable;
use crate::job::Job;
use crate::sync::{JobEstimate, ProbeBudget, seconds_for_calls};

/// A run that takes more than this part of what is left today is asked about.
const EXPENSIVE_SHARE: f64 = 0.25;
/// Looks at Spotify for the sake of the question, as `plan` takes them.
const LOOKUPS: u64 = 10;

/// Whether the run goes on: asked on a terminal if it is expensive, else taken for granted.
pub(super) async fn confirm_run(
    desk: &Desk<'_>,
    args: &RunArgs,
    job: &Job,
    price: Option<&JobEstimate>,
) -> Result<bool, CommandError> {
    let Some(price) = price.filter(|_| !args.yes && stdin().is_terminal() && std::io::stderr().is_terminal()) else {
        return Ok(true);
    };
    let left = desk.left(None)?.for_job(job, args.max_calls, desk.spent(job)?);
    let expensive = |price: &JobEstimate| {
        let calls = price.total().calls();
        let share = |calls: u64| calls > 0 && left.share(calls).is_some_and(|share| share > EXPENSIVE_SHARE);
        (share(calls.at_least), calls.at_most.is_none_or(share))
    };
    let looks = ProbeBudget::at_most(LOOKUPS);
    let looked;
    let price = match expensive(price) {
        (false, false) => return Ok(true),
        (true, _) => price,
        // It may be cheap, and it may not: a few calls tell.
        (false, true) => {
            looked = desk.price(job, args.full, &looks).await?;
            if expensive(&looked) == (false, false) {
                return Ok(true);
            }
            &looked
        }
    };
    let calls = price.total().calls();
    let pace = desk.workshop.settings.limits_for(desk.workshop.app_class(desk.credentials)?).requests_per_second;
    // Of what nobody can say, the part that is known says nothing.
    let share = calls.at_most.and_then(|most| left.share(most)).filter(|share| share.is_finite());
    let (account, time) = (left.account.unwrap_or(0), format_duration(seconds_for_calls(calls.expected_calls(), pace)));
    let part = share.map_or_else(String::new, |share| format!(" ({:.0}%)", share * 100.0));
    let asked = match looks.sent() {
        0 => String::new(),
        1 => "; asked Spotify once to know".to_owned(),
        n => format!("; asked Spotify {n} times to know"),
    };
    print::stderr(&format!(
        "{} would take {} of the {account} that it may take today{part}, {time} at the present pace{asked}\ngo on? [y/N] ",
        printable(&job.name),
        describe_calls(calls),
    ));
    let mut answer = String::new();
    drop(stdin().lock().read_line(&mut answer));
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
